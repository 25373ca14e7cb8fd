// Command demo shows edge at work with nothing installed but Go. It starts an MQTT broker and a NATS server in
// its own process, an HTTP server, and a simulated hospital that publishes; and it runs the real edge on
// examples/edge.yaml and examples/rules/. Edit a rule file while it runs.
//
//	go run ./examples/demo [-for 1m] [-every 500ms]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	length := flag.Duration("for", 0, "stop after this time; 0: at Ctrl-C")
	every := flag.Duration("every", 500*time.Millisecond, "time between two messages of the hospital")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *length)
		defer cancel()
	}
	if err := run(ctx, *every); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run starts everything, shows what goes in and comes out until ctx ends, and stops in reverse order.
func run(ctx context.Context, every time.Duration) error {
	if _, err := os.Stat("examples/edge.yaml"); err != nil {
		return errors.New("run it in the project's folder: go run ./examples/demo")
	}
	dir, err := os.MkdirTemp("", "edge-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	show := &screen{}
	broker, err := startBroker(show)
	if err != nil {
		return err
	}
	defer broker.Close()
	nats, err := startNATS(show)
	if err != nil {
		return err
	}
	defer nats.Close()
	web, err := startHTTP(show)
	if err != nil {
		return err
	}
	defer web.Close()

	api, err := freeAddress()
	if err != nil {
		return err
	}
	fmt.Println("building edge …")
	edge, err := startEdge(dir, "MQTT_URL="+broker.url, "NATS_URL="+nats.url, "HTTP_URL="+web.url, "EDGE_LISTEN="+api, "EDGE_STATE="+dir, "EDGE_CLIENT_ID=edge-demo")
	if err != nil {
		return err
	}
	fmt.Printf("\n  MQTT   %s\n  NATS   %s\n  HTTP   %s\n  edge   http://%s  (/metrics /readyz /v1/rules /v1/config)\n\n", broker.url, nats.url, web.url, api)
	fmt.Print("  Edit a file in examples/rules/ and save it: what comes out changes. Ctrl-C ends.\n\n")
	publishing := make(chan struct{})
	go func() {
		defer close(publishing)
		broker.publish(ctx, every)
	}()
	select {
	case <-ctx.Done():
	case <-edge.ended:
	}
	err = edge.stop()
	if ctx.Err() != nil {
		<-publishing
	}
	return err
}

// A screen prints lines from several goroutines, one at a time.
type screen struct{ mu sync.Mutex }

func (s *screen) line(from, address string, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Printf("%-5s %-32s %s\n", from, address, payload)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// An edge is the real program, as a process of its own.
type edge struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // how it ended, once ended is closed
}

func startEdge(dir string, env ...string) (*edge, error) {
	binary := filepath.Join(dir, "edge")
	build := exec.Command("go", "build", "-o", binary, "./cmd/edge")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("go build ./cmd/edge: %w", err)
	}
	e := &edge{cmd: exec.Command(binary, "run", "-c", "examples/edge.yaml", "-r", "examples/rules"), ended: make(chan struct{})}
	e.cmd.Env = append(os.Environ(), env...)
	e.cmd.Stdout, e.cmd.Stderr = os.Stdout, os.Stderr
	ownGroup(e.cmd) // so that Ctrl-C reaches it once, from us
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		e.err = e.cmd.Wait()
		close(e.ended)
	}()
	return e, nil
}

// stop ends edge as a service manager does, and waits until it has gone.
func (e *edge) stop() error {
	select {
	case <-e.ended:
		return fmt.Errorf("edge ended by itself: %w", e.err)
	default:
	}
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-e.ended
	return e.err
}
