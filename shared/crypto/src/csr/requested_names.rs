//! The names and extensions that a request asks for.
//!
//! Invariant: a list that is there is taken whole or refused, never in part.

use std::collections::HashSet;

use certmill_domain::names::{Names, San};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{ParsedExtension, X509Extension};

use crate::csr::CsrError;
use crate::san::{SanFault, from_general_name};

/// Reads the names and refuses extensions that must not be ignored.
pub(super) fn read(request: &X509CertificationRequest<'_>) -> Result<Option<Names>, CsrError> {
    let extensions = sole_extension_list(request)?;
    let mut names = None;
    // A set, since a request may carry thousands of extensions.
    let mut seen = HashSet::new();
    for extension in extensions {
        if !seen.insert(extension.oid.as_bytes()) {
            return Err(CsrError::DuplicateExtension);
        }
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(list) => {
                let sans = list.general_names.iter().enumerate().map(|(index, name)| {
                    from_general_name(name).map_err(|fault| refused(index + 1, fault))
                });
                let sans = sans.collect::<Result<Vec<San>, _>>()?;
                names = Some(Names::new(sans).map_err(CsrError::Names)?);
            }
            ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
                return Err(CsrError::CaRequested);
            }
            ParsedExtension::ParseError { .. } => return Err(CsrError::Malformed),
            ParsedExtension::BasicConstraints(_)
            | ParsedExtension::KeyUsage(_)
            | ParsedExtension::ExtendedKeyUsage(_) => {}
            _ if extension.critical => return Err(CsrError::UnknownCriticalExtension),
            _ => {}
        }
    }
    if let Some(names) = &names {
        check_common_names(request, names)?;
    }
    Ok(names)
}

fn sole_extension_list<'a>(
    request: &'a X509CertificationRequest<'a>,
) -> Result<&'a [X509Extension<'a>], CsrError> {
    let attributes = request.certification_request_info.iter_attributes();
    let mut lists = attributes.filter_map(|attribute| match attribute.parsed_attribute() {
        ParsedCriAttribute::ExtensionRequest(list) => Some(list.extensions.as_slice()),
        _ => None,
    });
    let first = lists.next().unwrap_or_default();
    if lists.next().is_some() {
        return Err(CsrError::DuplicateExtension);
    }
    Ok(first)
}

fn check_common_names(
    request: &X509CertificationRequest<'_>,
    names: &Names,
) -> Result<(), CsrError> {
    for attribute in request
        .certification_request_info
        .subject
        .iter_common_name()
    {
        let named = attribute
            .as_str()
            .ok()
            .and_then(|text| text.parse::<San>().ok());
        if !named.is_some_and(|name| names.as_slice().contains(&name)) {
            return Err(CsrError::CommonNameNotInSan);
        }
    }
    Ok(())
}

fn refused(place: usize, fault: SanFault) -> CsrError {
    match fault {
        SanFault::Unsupported => CsrError::UnsupportedSan { place },
        SanFault::Misplaced => CsrError::MisplacedName { place },
        SanFault::Invalid(source) => CsrError::Name { place, source },
    }
}
