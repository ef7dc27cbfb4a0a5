// Drives River by the protocol of loadtest/peers/README.md.
//
// Invariant: what it measures is River's own client, worker and completer; the handler only counts.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// Connections of a worker: fetches, batched completions, notifications and leadership side by side.
const workerConnections = 20

// Noop is the job: its number and, where latency is measured, when it was enqueued.
type Noop struct {
	N  int   `json:"n"`
	US int64 `json:"us"`
}

// Kind names it in the table.
func (Noop) Kind() string { return "noop" }

type handler struct {
	river.WorkerDefaults[Noop]
	ran    atomic.Int64
	jobs   int64
	starts bool
}

func (h *handler) Work(_ context.Context, job *river.Job[Noop]) error {
	if h.starts {
		say(map[string]any{"event": "started", "us": time.Now().UnixMicro() - job.Args.US})
	}
	if h.ran.Add(1) == h.jobs {
		say(map[string]any{"event": "ran", "jobs": h.jobs})
	}
	return nil
}

type call struct {
	verb, dsn, profile string
	jobs, batch, rate  int
	starts             bool
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	asked, err := parse()
	if err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(asked.dsn)
	if err != nil {
		return err
	}
	config.MaxConns = 1
	if asked.verb == "work" {
		config.MaxConns = workerConnections
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	if asked.verb == "setup" {
		migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
		if err != nil {
			return err
		}
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}
	if asked.verb == "work" {
		return work(ctx, pool, asked)
	}
	return enqueue(ctx, pool, asked)
}

func parse() (call, error) {
	if len(os.Args) < 2 {
		return call{}, fmt.Errorf("no verb")
	}
	asked := call{verb: os.Args[1]}
	flags := flag.NewFlagSet(asked.verb, flag.ContinueOnError)
	file := flags.String("dsn-file", "", "file with the connection string")
	flags.StringVar(&asked.profile, "profile", "drain", "drain, latency or default")
	flags.IntVar(&asked.jobs, "jobs", 0, "how many")
	flags.IntVar(&asked.batch, "batch", 5000, "jobs of one bulk insert")
	flags.IntVar(&asked.rate, "rate", 50, "jobs a second of pace")
	flags.BoolVar(&asked.starts, "tell-starts", false, "tell how long each job waited")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return call{}, err
	}
	text, err := os.ReadFile(*file)
	asked.dsn = strings.TrimSpace(string(text))
	return asked, err
}

func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func work(ctx context.Context, pool *pgxpool.Pool, asked call) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &handler{jobs: int64(asked.jobs), starts: asked.starts})
	config := &river.Config{Logger: quiet(), Workers: workers}
	most := 100
	if asked.profile == "drain" {
		most = 5000
	}
	config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: most}}
	if asked.profile != "default" {
		config.FetchCooldown = 2 * time.Millisecond
		config.FetchPollInterval = 20 * time.Millisecond
	}
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	if err != nil {
		return err
	}
	say(map[string]any{"event": "ready"})
	if err := client.Start(ctx); err != nil {
		return err
	}
	select {}
}

func enqueue(ctx context.Context, pool *pgxpool.Pool, asked call) error {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: quiet()})
	if err != nil {
		return err
	}
	// The first statement of a connection also opens it and prepares: not what is asked for.
	if err := pool.Ping(ctx); err != nil {
		return err
	}
	began := time.Now()
	switch asked.verb {
	case "bulk":
		for from := 0; from < asked.jobs; from += asked.batch {
			many := make([]river.InsertManyParams, 0, asked.batch)
			for n := from; n < min(from+asked.batch, asked.jobs); n++ {
				many = append(many, river.InsertManyParams{Args: Noop{n, 0}})
			}
			if _, err := client.InsertManyFast(ctx, many); err != nil {
				return err
			}
		}
	case "single", "pace":
		for n := range asked.jobs {
			if asked.verb == "pace" {
				due := began.Add(time.Duration(n) * time.Second / time.Duration(asked.rate))
				time.Sleep(time.Until(due))
			}
			if _, err := client.Insert(ctx, Noop{n, time.Now().UnixMicro()}, nil); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("no such verb: %s", asked.verb)
	}
	say(map[string]any{"event": "enqueued", "jobs": asked.jobs, "seconds": time.Since(began).Seconds()})
	return nil
}

// One line in one write, so that lines of many goroutines do not mix.
func say(event map[string]any) {
	line, err := json.Marshal(event)
	if err == nil {
		_, _ = os.Stdout.Write(append(line, '\n'))
	}
}
