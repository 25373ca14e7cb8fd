// Package brokertest gives tests real MQTT brokers, a client that is not ours to look at them with, and a
// network that can be cut.
package brokertest

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Mosquitto is a broker in a process of its own. It keeps its address and its data over Stop and Start.
type Mosquitto struct {
	Port int
	t    testing.TB
	conf string
	cmd  *exec.Cmd
	gone chan struct{}
}

// StartMosquitto starts a broker on a free port, with persistence and without access control. Each of
// lines is one more line of its configuration; before a `listener` line they hold for all listeners,
// since this uses per_listener_settings no further. The test is skipped where mosquitto is not installed.
func StartMosquitto(t testing.TB, lines ...string) *Mosquitto {
	t.Helper()
	b := &Mosquitto{Port: FreePort(t), t: t}
	b.configure(fmt.Sprintf("listener %d 127.0.0.1", b.Port), "", lines)
	b.Start()
	return b
}

// StartMosquittoOn is StartMosquitto with a listener that the caller describes, say one with TLS: each of
// listener is a line below its `listener` line.
func StartMosquittoOn(t testing.TB, listener []string, lines ...string) *Mosquitto {
	t.Helper()
	b := &Mosquitto{Port: FreePort(t), t: t}
	b.configure(fmt.Sprintf("listener %d 127.0.0.1", b.Port), strings.Join(listener, "\n"), lines)
	b.Start()
	return b
}

func (b *Mosquitto) configure(listener, below string, lines []string) {
	dir := b.t.TempDir()
	base := []string{"user root", "persistence true", "persistence_location " + dir + "/", "log_dest stderr", "log_type all"}
	access := "allow_anonymous true"
	for _, line := range lines {
		if strings.HasPrefix(line, "allow_anonymous ") {
			access = ""
		}
	}
	conf := strings.Join(append(append(base, access), lines...), "\n") + "\n" + listener + "\n" + below + "\n"
	b.conf = filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(b.conf, []byte(conf), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// PasswordFile makes a password file with one user, for the line `password_file`.
func PasswordFile(t testing.TB, user, password string) string {
	t.Helper()
	path, err := exec.LookPath("mosquitto_passwd")
	if err != nil {
		t.Skip("mosquitto_passwd is not installed")
	}
	file := filepath.Join(t.TempDir(), "passwd")
	if out, err := exec.Command(path, "-c", "-b", file, user, password).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
	return file
}

// Addr is the host and port.
func (b *Mosquitto) Addr() string { return fmt.Sprintf("127.0.0.1:%d", b.Port) }

// URL is the address as edge.yaml has it.
func (b *Mosquitto) URL() string { return "mqtt://" + b.Addr() }

// Start starts the broker again, with the data of before, and returns when it listens.
func (b *Mosquitto) Start() {
	b.t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
		if _, err := os.Stat(path); err != nil {
			b.t.Skip("mosquitto is not installed")
		}
	}
	cmd := exec.Command(path, "-c", b.conf)
	log, err := cmd.StderrPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	gone, ready := make(chan struct{}), make(chan bool, 1)
	var said []string // read after gone is closed
	go func() {
		defer close(gone)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if len(said) < 100_000 {
				said = append(said, lines.Text())
			}
			if strings.Contains(lines.Text(), " running") {
				ready <- true
			}
		}
		cmd.Wait()
		close(ready)
	}()
	b.cmd, b.gone = cmd, gone
	b.t.Cleanup(func() {
		cmd.Process.Kill()
		<-gone
		if b.t.Failed() && os.Getenv("BROKER_LOG") != "" {
			b.t.Logf("mosquitto said:\n%s", strings.Join(said, "\n"))
		}
	})
	if !<-ready {
		b.t.Fatalf("mosquitto did not start:\n%s", strings.Join(said, "\n"))
	}
}

// Stop ends the broker as an administrator does: it saves its sessions.
func (b *Mosquitto) Stop() { b.end(syscall.SIGTERM) }

// Kill ends it as a power cut does.
func (b *Mosquitto) Kill() { b.end(syscall.SIGKILL) }

// Hang makes it stop reading and writing while its connections stay open, until Resume.
func (b *Mosquitto) Hang() { b.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends Hang.
func (b *Mosquitto) Resume() { b.cmd.Process.Signal(syscall.SIGCONT) }

func (b *Mosquitto) end(sig syscall.Signal) {
	b.t.Helper()
	// A signal that comes while it still starts is lost at times, so it is sent until it is heard.
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		if err := b.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			b.t.Fatal(err)
		}
		select {
		case <-b.gone:
			return
		case <-again.C:
		}
	}
}

// FreePort finds a port of the loopback that nothing listens on, and keeps it until the test ends, whoever listens there
// or not: it lies below those that systems give out by themselves, and that of UDP is what others who look here find taken.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10_000 + rand.IntN(20_000)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		taken, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			taken.Close()
			continue
		}
		l.Close()
		t.Cleanup(func() { taken.Close() })
		return port
	}
	t.Fatal("no port is free")
	return 0
}
