//go:build unix

package sockets_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// serverFewEnv makes TestServerWithFewDescriptors a server that has few.
const serverFewEnv = "MOM_FEW_DESCRIPTORS"

// TestServerWithFewDescriptors has a server in a process of its own with few
// descriptors. It accepts no more connections than it can have, and newcomers take
// the places of strangers. Then its program uses up the descriptors: who is
// subscribed gets events meanwhile, and when descriptors are free again others
// get in, without a restart.
func TestServerWithFewDescriptors(t *testing.T) {
	if os.Getenv(serverFewEnv) != "" {
		serveWithFew(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestServerWithFewDescriptors$")
	cmd.Env = append(os.Environ(), serverFewEnv+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer orders.Close()
	says := bufio.NewScanner(out)
	next := func() string {
		says.Scan()
		return says.Text()
	}
	addr := next()

	c := momclient.New(addr, momclient.Options{})
	defer c.Close()
	events := make(chan wire.Event, 10)
	c.OnEvent(func(e wire.Event) { events <- e })
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		defer dial(t, addr).Close()
	}
	second := momclient.New(addr, momclient.Options{})
	defer second.Close()
	if err := second.Subscribe(context.Background()); err != nil {
		t.Errorf("beside 100 strangers: %v", err)
	}
	io.WriteString(orders, "use up\n")
	if got := next(); got != "used up" {
		t.Fatalf("it says %q\n%s", got, &stderr)
	}
	stranger := dial(t, addr) // the kernel takes it
	defer stranger.Close()
	io.WriteString(orders, "publish\n")
	if got := next(); got != "published" {
		t.Fatalf("it says %q\n%s", got, &stderr)
	}
	select {
	case e := <-events:
		if e.Seq != 1 {
			t.Errorf("event %d", e.Seq)
		}
	case <-time.After(20 * time.Second):
		t.Error("who was subscribed gets nothing while descriptors are short")
	}
	io.WriteString(orders, "free\n")
	late := momclient.New(addr, momclient.Options{AutoReconnect: true, DialTimeout: 20 * time.Second})
	defer late.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := late.Subscribe(ctx); err != nil {
		t.Errorf("when descriptors are free: %v", err)
	}
	orders.Close()
	cmd.Wait()
	if !strings.Contains(stderr.String(), "fewer connections are accepted; raise the limit of open files\" configured=12000 connections=30 \"from one address\"=15 descriptors=40") {
		t.Errorf("it does not say that descriptors are few:\n%s", &stderr)
	}
	if !strings.Contains(stderr.String(), "accept failed; trying again") || strings.Count(stderr.String(), "\n") > 200 {
		t.Errorf("the log:\n%s", &stderr)
	}
}

// serveWithFew is the other process.
func serveWithFew(t *testing.T) {
	limit := syscall.Rlimit{Cur: 40, Max: 40}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	failing := make(acceptFailed, 1)
	srv := momserver.New(momserver.Config{
		HandshakeTimeout: time.Minute, // the strangers keep what they have
		Logger:           slog.New(slog.NewTextHandler(io.MultiWriter(failing, os.Stderr), nil)),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()
	fmt.Println(l.Addr())
	var files []*os.File
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		switch orders.Text() {
		case "use up":
			for {
				f, err := os.Open(os.DevNull)
				if err != nil {
					break
				}
				files = append(files, f)
			}
			fmt.Println("used up")
		case "publish":
			<-failing
			id := uuid.New()
			srv.Publish(wire.Event{JobID: id, RunID: id, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}})
			fmt.Println("published")
		case "free":
			for _, f := range files {
				f.Close()
			}
		}
	}
}

// dial connects to a server, and says nothing.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

// acceptFailed is sent to when the log says that accept failed.
type acceptFailed chan struct{}

func (c acceptFailed) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("accept failed")) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}
