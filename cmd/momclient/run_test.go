package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// listen listens on loopback and gives each connection to serve.
func listen(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go serveEach(l, serve)
	return l.Addr().String()
}

// serveEach gives each connection to serve until the listener is closed.
func serveEach(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			serve(c)
		}()
	}
}

// TestNoMoMServer exits with 3 and says what answers at the address instead.
func TestNoMoMServer(t *testing.T) {
	says := func(text string) string {
		return listen(t, func(c net.Conn) {
			io.WriteString(c, text)
			io.Copy(io.Discard, c)
		})
	}
	refusal := func(version byte, why string) string {
		return "MoM\x01" + string([]byte{version, 1, 0, byte(len(why))}) + why
	}
	for name, tc := range map[string]struct{ addr, want string }{
		"HTTP":                  {says("HTTP/1.1 400 Bad Request\r\n\r\n"), " is not a MoM server: it answered in HTTP"},
		"SSH":                   {says("SSH-2.0-OpenSSH_9.9\r\n"), " is not a MoM server: it answered in SSH"},
		"control characters":    {says("\x1b[2J\r\n"), ` is not a MoM server: it answered "\x1b[2J"`},
		"a later version":       {says("MoM\x01\x02\x00\x00\x00"), " speaks protocol version 2, this side 1; use a matching release"},
		"refused by a later":    {says(refusal(2, "mom:version:0:want version 2 up")), " refused the connection: want version 2 up"},
		"refused with controls": {says(refusal(1, "mom:unauthorized:0:no\x1b[2J\n!")), ` refused the connection: no\x1b[2J\n!; see -token-file and MOM_TOKEN`},
	} {
		code, out, stderr := command(t, "-addr", tc.addr)
		if code != exitLost || out != "" || stderr != "momclient: "+tc.addr+tc.want+"\n" {
			t.Errorf("%s: exit %d, %q\n%s", name, code, out, stderr)
		}
	}
}

// TestPerhapsNoMoMServer asks whether this is a MoM server if the answer does
// not tell, and goes on trying.
func TestPerhapsNoMoMServer(t *testing.T) {
	for name, tc := range map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"closes": {func(c net.Conn) { c.SetReadDeadline(time.Now().Add(time.Second)); c.Read(make([]byte, 64)) }, " closed the connection before it greeted; is it a MoM server?"},
		"silent": {func(c net.Conn) { io.Copy(io.Discard, c) }, " did not greet in time; is it a MoM server?"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *testPair) {
				s.kill()
				l, err := s.net.Listen(memAddr)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				go serveEach(l, tc.serve)
				s.watch("-exit-when-done", "-wait", "7s", "-period", "1s")
				s.exits(exitLost, 7*time.Second)
				want := "momclient: " + memAddr + tc.want + "\nmomclient: waiting for " + memAddr + ", and trying again\nmomclient: no connection within 7s (-wait): " + memAddr + tc.want + "\n"
				if got := s.stderr.String(); got != want {
					t.Errorf("stderr\n%swant\n%s", got, want)
				}
			})
		})
	}
}

// TestWrongToken ends the monitor at once.
func TestWrongToken(t *testing.T) {
	_, addr := serveTCP(t, momserver.Config{Token: "secret"})
	for _, token := range []string{"", "tr0ub4dor"} {
		var stdout, stderr buffer
		env := func(string) string { return token }
		code := run(t.Context(), []string{"-addr", addr}, env, &stdout, &stderr)
		if code != exitLost || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), addr+" refused the connection: ") || !strings.HasSuffix(stderr.String(), "; see -token-file and MOM_TOKEN\n") || strings.Contains(stderr.String(), "tr0ub4dor") {
			t.Errorf("token %q: exit %d\n%s", token, code, &stderr)
		}
	}
}

// TestCallback lets the server dial back, at any port.
func TestCallback(t *testing.T) {
	srv, addr := serveTCP(t, momserver.Config{})
	stop := endRuns(t, srv)
	defer stop()
	code, out, stderr := command(t, "-addr", addr, "-callback", "127.0.0.1:0", "-exit-when-done", "-job", "site")
	if code != exitOK || !strings.Contains(out, "JobCompleted") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
}

// TestCallbackRefused exits with 3 if the monitor cannot listen on the address,
// or gives up because the server may not dial it.
func TestCallbackRefused(t *testing.T) {
	_, addr := serveTCP(t, momserver.Config{})
	taken := listen(t, func(net.Conn) {})
	for callback, want := range map[string]string{
		taken:                     "cannot listen on the callback address " + taken,
		"192.0.2.1:0":             "cannot listen on the callback address 192.0.2.1:0", // no machine has this address
		"nowhere.invalid:0":       "cannot listen on the callback address nowhere.invalid:0",
		listenable("127.0.0.2:0"): "it dials only your own address",
	} {
		if callback == "" {
			continue
		}
		code, out, stderr := command(t, "-addr", addr, "-callback", callback, "-exit-when-done", "-wait", "100ms")
		if code != exitLost || out != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d\n%s", callback, code, stderr)
		}
	}
}

// listenable returns addr, or "" if this machine cannot listen on addr.
func listenable(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return ""
	}
	l.Close()
	return addr
}

// TestFull waits for a server that has no place.
func TestFull(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.serve(momserver.Config{MaxSubscribers: 1})
		other := momclient.New(memAddr, momclient.Options{DialContext: s.net.DialContext})
		if err := other.Subscribe(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		s.watch()
		time.Sleep(time.Minute)
		s.running()
		other.Close()
		time.Sleep(time.Minute)
		s.cancel()
		s.exits(exitOK, 0, "refused for now: ", "Config.MaxSubscribers", "waiting for "+memAddr, "connected")
		if n := strings.Count(s.stderr.String(), "\n"); n != 3 {
			s.t.Errorf("%d lines\n%s", n, &s.stderr)
		}
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestStdoutFails exits with 0 if nobody reads any more, unless -exit-when-done
// is given, and with 1 if stdout cannot be written.
func TestStdoutFails(t *testing.T) {
	for _, tc := range []struct {
		err   error
		flags []string
		code  int
		want  string
	}{
		{syscall.EPIPE, nil, exitOK, ""},
		{syscall.EPIPE, []string{"-exit-when-done"}, exitLost, "nobody reads stdout any more"},
		{syscall.ENOSPC, nil, exitFailed, "no space left on device"},
		{syscall.ENOSPC, []string{"-exit-when-done"}, exitFailed, "no space left on device"},
	} {
		inBubble(t, func(s *testPair) {
			s.watchTo(failing{tc.err}, tc.flags...)
			j := s.job("site")
			s.exits(tc.code, 0, tc.want)
			j.Complete()
			if tc.want == "" && s.stderr.String() != "momclient: connected mem:7420\n" {
				s.t.Errorf("stderr %s", &s.stderr)
			}
		})
	}
}

// TestStateFilter shows the states of -state. If another event has a gap before
// it, the next event shown has the count.
func TestStateFilter(t *testing.T) {
	for _, flags := range [][]string{nil, {"-exit-when-done"}} {
		inBubble(t, func(s *testPair) {
			s.serve(momserver.Config{CacheEvents: 1})
			s.watch(append(flags, "-state", "JobCompleted", "-period", "1s")...)
			s.net.Cut()
			s.job("a").Complete()
			s.job("b").Complete()
			last := s.job("c")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			last.Complete()
			if flags == nil {
				s.running()
				s.cancel()
			}
			s.exits(exitOK, map[bool]time.Duration{true: 0, false: quiet}[flags == nil])
			lines := strings.Split(s.stdout.String(), "\n")
			if len(lines) != 3 || lines[0] != "--- missed 4 events ---" || !strings.Contains(lines[1], "JobCompleted") {
				s.t.Errorf("%v:\n%s", flags, &s.stdout)
			}
		})
	}
}

// TestUnknownJob says once that no job has the name, and which jobs there are,
// and goes on waiting.
func TestUnknownJob(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.job("odd to wo").Complete()
		s.watch("-exit-when-done", "-job", "odd", "-period", "1s")
		s.running()
		const want = "momclient: connected mem:7420\nmomclient: no job is named \"odd\" so far; the jobs are \"odd to wo\"\n"
		if got := s.stderr.String(); got != want {
			t.Errorf("stderr %q, want %q", got, want)
		}
		s.net.Cut()
		time.Sleep(time.Minute)
		s.running()
		if n := strings.Count(s.stderr.String(), "no job is named"); n != 1 {
			t.Errorf("said %d times\n%s", n, &s.stderr)
		}
		s.job("odd").Complete()
		s.exits(exitOK, 0)
	})
}

// TestKnownJob prints nothing about a job that the server has run, by its name
// or ID, but asks again at the next connection, which may be to another server.
func TestKnownJob(t *testing.T) {
	for _, job := range []string{"site", jobID("site").String()} {
		inBubble(t, func(s *testPair) {
			s.job("site").Complete()
			s.watch("-job", job, "-period", "1s")
			s.running()
			if strings.Contains(s.stderr.String(), "no job") {
				t.Error(&s.stderr)
			}
			s.serve(momserver.Config{})
			time.Sleep(2 * time.Second)
			s.running()
			s.cancel()
			s.exits(exitOK, 0, "no job ", job)
		})
	}
}

// recordingStdout is a stdout that records, at each write, the content of the
// cursor file. It fails from one write on.
type recordingStdout struct {
	path  string
	said  []string // the Seq in the file at each write
	fails int      // the write that fails; 0 for none
}

func (w *recordingStdout) Write(p []byte) (int, error) {
	text, _ := os.ReadFile(w.path)
	_, seq, _ := strings.Cut(strings.TrimSpace(string(text)), "/")
	w.said = append(w.said, strings.TrimLeft(seq, "0"))
	if len(w.said) == w.fails {
		return len(p) / 2, syscall.ENOSPC
	}
	return len(p), nil
}

// TestCursorBehindStdout: the cursor file is never ahead of stdout, and stays
// as it is if an event cannot be written.
func TestCursorBehindStdout(t *testing.T) {
	for _, tc := range []struct {
		fails int
		code  int
		said  string
		last  uint64
	}{{0, exitOK, ",1,2,3", 4}, {3, exitFailed, ",1,2", 2}} {
		inBubble(t, func(s *testPair) {
			s.job("first").Complete()
			s.job("second").Complete()
			w := &recordingStdout{path: filepath.Join(s.t.TempDir(), "cursor"), fails: tc.fails}
			s.watchTo(w, "-from", "oldest", "-cursor", w.path, "-o", "json")
			s.cancel()
			s.exits(tc.code, 0)
			if got := strings.Join(w.said, ","); got != tc.said {
				s.t.Errorf("it said %s, want %s", got, tc.said)
			}
			if got := read(s.t, w.path); got != cursorLine(wire.Cursor{Epoch: s.srv.Epoch(), Seq: tc.last}) {
				s.t.Errorf("in the end %q, want %d", got, tc.last)
			}
			if full := strings.Contains(s.stderr.String(), "no space left on device"); full != (tc.fails > 0) {
				s.t.Errorf("stderr %s", &s.stderr)
			}
		})
	}
}

// TestCursorWithoutEvents: the cursor file follows events that are filtered
// out, once a second.
func TestCursorWithoutEvents(t *testing.T) {
	inBubble(t, func(s *testPair) {
		path := filepath.Join(s.t.TempDir(), "cursor")
		s.watch("-job", "none", "-cursor", path)
		s.job("other").Complete()
		time.Sleep(4 * time.Second) // a heartbeat has the position, and a tick saves it
		synctest.Wait()
		if got := read(s.t, path); got != cursorLine(wire.Cursor{Epoch: s.srv.Epoch(), Seq: 2}) {
			s.t.Errorf("%q", got)
		}
		s.job("other").Complete()
		s.cancel()
		s.exits(exitOK, 0)
	})
}

// TestCursorOfAnotherEpoch begins at the oldest event of the new server, and
// keeps its cursor from there on.
func TestCursorOfAnotherEpoch(t *testing.T) {
	inBubble(t, func(s *testPair) {
		path := filepath.Join(s.t.TempDir(), "cursor")
		write(s.t, path, cursorLine(wire.Cursor{Epoch: jobID("epoch"), Seq: 1000}))
		s.job("site").Complete()
		s.watch("-cursor", path)
		if got := read(s.t, path); strings.Count(s.stdout.String(), "\n") != 2 || got != cursorLine(wire.Cursor{Epoch: s.srv.Epoch(), Seq: 2}) {
			s.t.Errorf("%q\n%s", got, &s.stdout)
		}
		s.cancel()
		s.exits(exitOK, 0, "new epoch "+s.srv.Epoch().String())
	})
}

// TestCursorSnapshot: no cursor is saved in the middle of a snapshot, so that a
// monitor that ends there shows the whole snapshot when it is started again.
func TestCursorSnapshot(t *testing.T) {
	inBubble(t, func(s *testPair) {
		dir := s.t.TempDir()
		a, b := s.job("a"), s.job("b")
		path := filepath.Join(dir, "cursor")
		s.watchTo(&recordingStdout{path: path, fails: 2}, "-cursor", path)
		s.exits(exitFailed, 0)
		if kept, _ := os.ReadDir(dir); len(kept) > 0 {
			s.t.Errorf("a cursor was saved: %v", kept)
		}
		a.Complete()
		b.Complete()
	})
}
