// Command daemon is a small service whose tokens are its own: it hands them out, lets their owners manage them, publishes the keys that
// verify them, and protects two resources by them. Its records stand in a SQLite file, so it can be stopped and started again.
//
//	go run ./examples/daemon -data /tmp/daemon
//
// At its first start it prints the token of an admin, once. README.md shows what to do with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "localhost:8080", "the `address` to listen at; plain HTTP, so leave it on loopback or put TLS in front")
	url := flag.String("url", "http://localhost:8080", "the `name` of this service: iss and aud of its tokens")
	data := flag.String("data", "", "the `directory` of the records and the signing key; made if it is not there (required)")
	admin := flag.Bool("admin", false, "print a new admin token and end, for whoever has lost theirs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *listen, *url, *data, *admin); err != nil {
		log.Fatal("daemon: ", err)
	}
}

// run serves until ctx ends, and then finishes what it has begun.
func run(ctx context.Context, out io.Writer, listen, url, data string, adminOnly bool) (err error) {
	s, err := openService(ctx, url, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	defer s.keepAudit(ctx)()
	if err := s.welcome(ctx, out, adminOnly); err != nil || adminOnly {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "listening at", listener.Addr())
	return s.serve(ctx, listener)
}

// keepAudit writes the audit log until it is told to stop, to the last line.
func (s *service) keepAudit(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it outlives the requests that are under way
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.audit.Run(ctx, note) // it ends when it is told to
	}()
	return func() { cancel(); <-done }
}

// stopTime is how long requests under way have to finish.
const stopTime = 10 * time.Second

// serve answers requests until ctx ends. Requests under way are finished then, with the store still open.
func (s *service) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // the body too: no guard limits how slowly one is sent
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case now := <-tick.C:
			if err := s.dropExpired(ctx, now); err != nil {
				log.Print("dropping expired records: ", err) // they cost room and nothing else: an hour later is soon enough
			}
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
			defer cancel()
			return server.Shutdown(stopping)
		}
	}
}
