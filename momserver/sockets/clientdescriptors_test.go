//go:build unix

package sockets_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// The environment that makes TestClientWithFewDescriptors a client that has few.
const (
	fewEnv      = "MOM_TEST_FEW"          // the server's address
	fewCallback = "MOM_TEST_FEW_CALLBACK" // where it is called
)

// TestClientWithFewDescriptors restarts a server under a client in a process of its own
// that has no descriptors left, or just too few for what it needs. It goes on
// trying, and gets on when there are more.
func TestClientWithFewDescriptors(t *testing.T) {
	if os.Getenv(fewEnv) != "" {
		followWithFew(t, os.Getenv(fewEnv), os.Getenv(fewCallback))
		return
	}
	t.Parallel()
	for _, tc := range []struct {
		callback string
		left     int // descriptors that it may still open
	}{{"", 0}, {"127.0.0.1:0", 0}, {"127.0.0.1:0", 1}, {"127.0.0.1:0", 2}} {
		t.Run(fmt.Sprintf("callback %q, %d left", tc.callback, tc.left), func(t *testing.T) {
			cfg := momserver.Config{DialTimeout: 200 * time.Millisecond, DialsPerMinute: 10_000}
			srv := serve(t, cfg)
			cmd := exec.Command(os.Args[0], "-test.run", "^TestClientWithFewDescriptors$")
			cmd.Env = append(os.Environ(), fewEnv+"="+srv.Addr, fewCallback+"="+tc.callback)
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
			expect := func(want, skip string) {
				t.Helper()
				for says.Scan() && skip != "" && strings.HasPrefix(says.Text(), skip) {
				}
				if !strings.HasPrefix(says.Text(), want) {
					t.Fatalf("it says %q, and not %q\n%s", says.Text(), want, &stderr)
				}
			}
			expect("connected", "")
			fmt.Fprintln(orders, tc.left)
			expect("few", "")
			srv.Close()
			expect("lost", "")
			srv.restart()
			expect("failed", "lost")
			t.Log(says.Text())
			expect("failed", "")
			fmt.Fprintln(orders, "many")
			expect("many", "failed")
			expect("resumed", "failed")
		})
	}
}

// followWithFew is the other process. It says what becomes of its connection,
// and takes orders about its descriptors.
func followWithFew(t *testing.T, addr, callback string) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	first, err := net.Listen("tcp", "127.0.0.1:0") // what the runtime opens for the first socket stays
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	base := lowest(t)
	c := momclient.New(addr, momclient.Options{AutoReconnect: true, CallbackAddr: callback, Period: 100 * time.Millisecond})
	defer c.Close()
	c.OnConnection(func(s momclient.ConnectionStatus) {
		switch s.Kind {
		case momclient.Connecting, momclient.Reconnecting:
		case momclient.Connected, momclient.Resumed, momclient.Closed:
			fmt.Println(s.Kind)
		case momclient.Lost:
			if strings.Contains(s.Err.Error(), "too many open files") || errors.Is(s.Err, wire.CallbackFailed) {
				fmt.Println("failed", s.Err)
			} else {
				fmt.Println("lost", s.Err)
			}
		case momclient.Refused:
			fmt.Println(map[bool]string{false: "failed", true: "refused"}[s.Final], s.Err)
		}
	})
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		few := limit
		if left, err := strconv.Atoi(orders.Text()); err == nil {
			few.Cur = base + uint64(left)
			fmt.Println("few")
		} else {
			fmt.Println("many")
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
	}
}

// lowest returns the number that the next descriptor has.
func lowest(t *testing.T) uint64 {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return uint64(f.Fd())
}
