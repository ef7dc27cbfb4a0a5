"""Lints every certificate (*.pem) of a folder with the validators of RFC 5280 that `lint_pkix_cert` uses,
in one process: prints each finding of the severity ERROR or worse, and then how many were read.

One finding is passed over: that validator takes a wildcard for a host name, which it is not (RFC 5280, section
4.2.1.6, leaves wildcards to others; RFC 9525, section 6.3, gives them their meaning)."""

import pathlib
import re
import sys

from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

VALIDATOR = certificate.create_pkix_certificate_validator_container(
    certificate.create_decoding_validators(
        name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
    ),
    [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ],
)


LOADER = loader.RFC5280CertificateDocumentLoader()


def is_wildcard(found) -> bool:
    return found.finding.code == "pkix.invalid_domain_name_syntax" and bool(
        re.search(r'"\*(\.[a-z0-9-]+){2,}"$', found.message or "")
    )


def main(folder: str) -> None:
    files = sorted(pathlib.Path(folder).glob("*.pem"))
    for path in files:
        read = LOADER.load_pem_document(path.read_text(), path.name)
        for result in VALIDATOR.validate(read.root):
            for found in result.finding_descriptions:
                severe = found.finding.severity <= ValidationFindingSeverity.ERROR
                if severe and not is_wildcard(found):
                    print(path.name, found.finding.severity.name, found.finding.code, found.message)
    print("read", len(files))


main(sys.argv[1])
