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

// TestServerWithFewDescriptors uses up the descriptors of a server in a process of its
// own: who is subscribed gets events meanwhile, and when descriptors are free
// again others get in, without a restart.
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
	var strangers []net.Conn
	for range 100 { // the kernel takes those that the server cannot
		nc, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			break
		}
		defer nc.Close()
		strangers = append(strangers, nc)
	}
	io.WriteString(orders, "full\n")
	if got := next(); got != "full" {
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
	for _, nc := range strangers {
		nc.Close()
	}
	late := momclient.New(addr, momclient.Options{AutoReconnect: true, DialTimeout: 20 * time.Second})
	defer late.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := late.Subscribe(ctx); err != nil {
		t.Errorf("when descriptors are free: %v", err)
	}
	orders.Close()
	cmd.Wait()
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
		HandshakeTimeout: time.Minute, FailuresPerMinute: 1000, // the strangers keep what they have
		Logger: slog.New(slog.NewTextHandler(io.MultiWriter(failing, os.Stderr), nil)),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()
	fmt.Println(l.Addr())
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		<-failing
		id := uuid.New()
		srv.Publish(wire.Event{JobID: id, RunID: id, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}})
		fmt.Println("full")
	}
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
