// Services is an issuer and two services that verify its tokens, each in a process of its own, and a demonstration that
// rotates the issuer's key and restarts the issuer while requests run. Start it from the root of the repository:
//
//	go run ./examples/services
//
// issuer.go, orders.go and stock.go are the three programs. clientcredentials.go is how the issuer gives a service a token of
// its own, servicetoken.go how the service gets and keeps it, and program.go what all programs need. demo.go tells the story:
// process.go starts the programs, load.go sends the requests, and report.go prints the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// programs are what the executable can be started as.
var programs = map[string]func(ctx context.Context, s settings, log *slog.Logger) error{
	"issuer": runIssuer,
	"orders": runOrders,
	"stock":  runStock,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("services", flag.ContinueOnError)
	phase := flags.Duration("phase", 4*time.Second, "how long each phase of the demonstration lasts")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if name := flags.Arg(0); name != "" {
		program, ok := programs[name]
		if !ok {
			return fmt.Errorf("there is no program %q", name)
		}
		s, err := readSettings(os.Getenv)
		if err != nil {
			return err
		}
		return program(ctx, s, slog.New(slog.NewTextHandler(os.Stderr, nil)).With("program", name))
	}
	if *phase < time.Second || *phase > time.Minute {
		return fmt.Errorf("-phase is %v, but must be between a second and a minute", *phase)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return demonstrate(ctx, program, *phase, os.Stdout)
}
