package protocol

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

var testWelcome = Welcome{Epoch: uuid.UUID{1, 2, 15: 3}, Heartbeat: 3 * time.Second, MaxMessage: 65536}

// The two halves of a greeting in bytes, as PROTOCOL.md has them.
const (
	helloBytes   = "MoM\x01\x01\x00\x03tok"
	welcomeBytes = "MoM\x01\x01\x00\x00\x18" + "\x01\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03" + "\x00\x00\x0b\xb8" + "\x00\x01\x00\x00"
)

// say writes text in pieces of n bytes and closes nothing.
func say(nc net.Conn, text string, n int) {
	for len(text) > 0 {
		n = min(n, len(text))
		if _, err := nc.Write([]byte(text[:n])); err != nil {
			return
		}
		text = text[n:]
	}
}

// greetedWith returns what Greet makes of an answer, and what it said. With
// hang up the peer closes after it.
func greetedWith(answer string, piece int, hangUp bool) (w Welcome, said string, err error) {
	near, far := net.Pipe()
	defer near.Close()
	heard := make(chan string, 1)
	go func() {
		buf := make([]byte, len(helloBytes))
		n, _ := io.ReadFull(far, buf)
		heard <- string(buf[:n])
		say(far, answer, piece)
		if hangUp {
			far.Close()
		}
	}()
	w, err = Greet(near, "tok", 5*time.Second)
	far.Close()
	return w, <-heard, err
}

// TestGreet holds a client against every kind of answer.
func TestGreet(t *testing.T) {
	refusal := func(text string) string {
		return "MoM\x01\x01\x01" + string([]byte{byte(len(text) >> 8), byte(len(text))}) + text
	}
	for _, tc := range []struct {
		name, answer string
		is           error
		words        string
	}{
		{"welcome", welcomeBytes, nil, ""},
		{"a newer server's welcome", strings.Replace(welcomeBytes, "\x18", "\x1b", 1) + "new", nil, ""},
		{"refused", refusal("mom:unauthorized:0:no token"), wire.Unauthorized, "pipe refused the connection: no token"},
		{"refused for its version, by another", strings.Replace(refusal("mom:version:0:old"), "MoM\x01\x01", "MoM\x01\x07", 1), wire.VersionMismatch, "refused the connection: old"},
		{"refused in other words", refusal("no"), wire.InternalError, "the peer answered: no"},
		{"another version", "MoM\x01\x02\x00\x00\x00", wire.VersionMismatch, "speaks protocol version 2, this side 1"},
		{"a short welcome", "MoM\x01\x01\x00\x00\x02xx", wire.ProtocolError, "a welcome of 2 bytes; want 24"},
		{"a long body", "MoM\x01\x01\x00\x04\x01", wire.NotMoM, "a greeting of 1025 bytes"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", wire.NotMoM, "is not a MoM server: it answered in HTTP"},
		{"SSH", "SSH-2.0-OpenSSH\r\n", wire.NotMoM, "it answered in SSH"},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x46", wire.NotMoM, "it answered in TLS; connect with TLS"},
		{"something", "220 mail", wire.NotMoM, `it answered "220 "`},
		{"the endpoint's magic", "MoM\x02", wire.NotMoM, `it answered "MoM\x02"`},
		{"one wrong byte, and the end", "X", wire.NotMoM, `it answered "X"`},
		{"the end", "", wire.Lost, "closed the connection before it greeted; is it a MoM server?"},
	} {
		for _, piece := range []int{1, 1 << 20} {
			w, said, err := greetedWith(tc.answer, piece, true)
			if said != helloBytes {
				t.Errorf("%s: said %q", tc.name, said)
			}
			if tc.is == nil {
				if err != nil || w != testWelcome {
					t.Errorf("%s: %+v, %v", tc.name, w, err)
				}
			} else if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%s: %v; want %q", tc.name, err, tc.words)
			}
		}
	}
	for n := range len(welcomeBytes) { // cut at every byte
		if _, _, err := greetedWith(welcomeBytes[:n], 1, true); !errors.Is(err, wire.Lost) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	longest, heard := strings.Repeat("x", wire.MaxTokenBytes), make(chan string, 1)
	near, far := net.Pipe()
	go func() {
		token, _ := ReadHello(far)
		heard <- token
		Accept(far, testWelcome)
	}()
	if w, err := Greet(near, longest, time.Second); err != nil || w != testWelcome || <-heard != longest {
		t.Errorf("the longest token: %v", err)
	}
	_, err := Greet(nil, longest+"x", time.Second)
	if !errors.Is(err, wire.BadRequest) || !strings.Contains(err.Error(), "a token of 1025 bytes; at most 1024") {
		t.Errorf("a long token: %v", err)
	}
}

// TestGreetSilence ends at the timeout, wherever the peer stops.
func TestGreetSilence(t *testing.T) {
	for n := range len(welcomeBytes) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			_, _, err := greetedWith(welcomeBytes[:n], 1, false)
			if !errors.Is(err, wire.Timeout) || time.Since(start) != 5*time.Second {
				t.Errorf("silent after %d bytes: %v after %v", n, err, time.Since(start))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // it does not read, either
		near, _ := net.Pipe()
		start := time.Now()
		if _, err := Greet(near, "", 5*time.Second); err == nil || time.Since(start) != 5*time.Second {
			t.Errorf("a peer that does not read: %v after %v", err, time.Since(start))
		}
	})
}

// hearing returns what ReadHello makes of a client's words.
func hearing(words string, piece int) (string, error) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		say(far, words, piece)
		far.Close()
	}()
	return ReadHello(near)
}

// TestReadHello holds a server against every kind of opening.
func TestReadHello(t *testing.T) {
	long := strings.Repeat("x", wire.MaxTokenBytes)
	for _, tc := range []struct {
		name, words string
		want        string
		is          error
		text        string
	}{
		{"hello", helloBytes, "tok", nil, ""},
		{"no token", "MoM\x01\x01\x00\x00", "", nil, ""},
		{"the longest token", "MoM\x01\x01\x04\x00" + long, long, nil, ""},
		{"a longer token", "MoM\x01\x01\x04\x01" + long + "x", "", wire.Unauthorized, "a token of 1025 bytes; at most 1024"},
		{"another version", "MoM\x01\x02\x00\x00", "", wire.VersionMismatch, "speaks protocol version 2, this side 1; use a matching release"},
		{"version 0", "MoM\x01\x00\x00\x00", "", wire.VersionMismatch, "version 0"},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", "", wire.NotMoM, "not a MoM client's: it opened in HTTP"},
		{"a form", "POST / HTTP/1.1\r\n\r\n", "", wire.NotMoM, "in HTTP"},
		{"SSH", "SSH-2.0-x\r\n", "", wire.NotMoM, "in SSH"},
		{"TLS", "\x16\x03\x01\x02\x00\x01", "", wire.TLSMismatch, "no TLS at this port"},
		{"an endpoint", "MoM\x02\x01", "", wire.NotMoM, `it opened "MoM\x02"`},
		{"the end", "", "", wire.Lost, "the client closed the connection before it had greeted"},
	} {
		for _, piece := range []int{1, 1 << 20} {
			got, err := hearing(tc.words, piece)
			if got != tc.want || (tc.is == nil) != (err == nil) || tc.is != nil && (!errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text)) {
				t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.text)
			}
		}
	}
	for n := range len(helloBytes) {
		if _, err := hearing(helloBytes[:n], 1); !errors.Is(err, wire.Lost) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	for n := range len(helloBytes) {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			near.SetDeadline(time.Now().Add(time.Second))
			go say(far, helloBytes[:n], 1)
			start := time.Now()
			if _, err := ReadHello(near); !errors.Is(err, wire.Timeout) || time.Since(start) != time.Second || strings.Contains(err.Error(), "server") {
				t.Errorf("silent after %d bytes: %v after %v", n, err, time.Since(start))
			}
		})
	}
}

// TestAnswers pins the bytes of a welcome and of a refusal, and their bounds.
func TestAnswers(t *testing.T) {
	answer := func(write func(net.Conn) error) string {
		near, far := net.Pipe()
		go func() {
			if err := write(near); err != nil {
				t.Error(err)
			}
			near.Close()
		}()
		all, _ := io.ReadAll(far)
		return string(all)
	}
	if got := answer(func(nc net.Conn) error { return Accept(nc, testWelcome) }); got != welcomeBytes {
		t.Errorf("welcome %q", got)
	}
	if got := answer(func(nc net.Conn) error { return Accept(nc, Welcome{Heartbeat: 1000 * time.Hour * 24}) }); got[24:28] != "\xff\xff\xff\xff" {
		t.Errorf("a heartbeat of three years is %q", got[24:28])
	}
	got := answer(func(nc net.Conn) error {
		return Refuse(nc, &wire.Error{Code: wire.Full, Message: "no", After: time.Second})
	})
	if want := "MoM\x01\x01\x01\x00\x10mom:full:1000:no"; got != want {
		t.Errorf("refusal %q; want %q", got, want)
	}
	long := answer(func(nc net.Conn) error { return Refuse(nc, wire.Errorf(wire.Full, "%s", strings.Repeat("ä", 9999))) })
	if len(long) > 8+maxRefusal {
		t.Errorf("a refusal of %d bytes", len(long))
	}
	if _, _, err := greetedWith(long, 100, true); !errors.Is(err, wire.Full) || !strings.HasSuffix(err.Error(), "…") {
		t.Errorf("a long refusal is read as %v", err)
	}
}

// TestGreetingKeepsCause: if a greeting does not come, the error on either side
// wraps that of the socket.
func TestGreetingKeepsCause(t *testing.T) {
	for name, tc := range map[string]struct {
		far  func(far net.Conn)
		code error
		is   error
	}{
		"silence":            {func(net.Conn) {}, wire.Timeout, os.ErrDeadlineExceeded},
		"the end":            {func(far net.Conn) { far.Close() }, wire.Lost, io.EOF},
		"the end in between": {func(far net.Conn) { far.Write([]byte("MoM\x01")); far.Close() }, wire.Lost, io.EOF},
	} {
		for side, greet := range map[string]func(net.Conn) error{
			"client": func(nc net.Conn) error {
				_, err := Greet(nc, "", time.Second)
				return err
			},
			"server": func(nc net.Conn) error {
				nc.SetDeadline(time.Now().Add(time.Second))
				_, err := ReadHello(nc)
				return err
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				go func() {
					if side == "client" {
						io.ReadFull(far, make([]byte, len(helloBytes)-len("tok")))
					}
					tc.far(far)
				}()
				if err := greet(near); !errors.Is(err, tc.code) || !errors.Is(err, tc.is) {
					t.Errorf("%s, %s: %v is no %v", side, name, err, tc.is)
				}
				far.Close()
			})
			near, _ := net.Pipe()
			near.Close()
			if err := greet(near); !errors.Is(err, wire.Lost) || !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%s, closed: %v is no %v", side, err, io.ErrClosedPipe)
			}
		}
	}
}

// deaf is a connection that fails each write, and that already has an answer to
// read.
type deaf struct {
	net.Conn
	answer io.Reader
	err    error // after the answer
}

func (d *deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func (d *deaf) Read(p []byte) (int, error) {
	n, err := d.answer.Read(p)
	if err != nil {
		err = d.err
	}
	return n, err
}

// TestGreetRefusedFirst: the refusal of a server that refuses before it has
// read the hello is returned. Without an answer the error is that of the failed
// write, unless the server's TLS gives the reason.
func TestGreetRefusedFirst(t *testing.T) {
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}
	for name, tc := range map[string]struct {
		answer   string
		err      error
		code, is error
		words    string
	}{
		"refused":   {"MoM\x01\x01\x01\x00\x0fmom:full:0:full", io.EOF, wire.Full, wire.Full, "pipe refused the connection: full"},
		"welcome":   {welcomeBytes, io.EOF, nil, nil, ""},
		"HTTP":      {"HTTP/1.1", io.EOF, wire.NotMoM, wire.NotMoM, "in HTTP"},
		"nothing":   {"", io.EOF, wire.Lost, io.ErrClosedPipe, "greeting pipe: io: read/write on closed pipe"},
		"an alert":  {"", alert, wire.BadCertificate, alert, "pipe does not accept this side's certificate"},
		"half":      {"MoM\x01\x01", io.EOF, wire.Lost, io.ErrClosedPipe, "greeting pipe: io: read/write on closed pipe"},
		"too small": {"MoM\x01\x01\x00\x00\x01x", io.EOF, wire.ProtocolError, wire.ProtocolError, "a welcome of 1 bytes"},
	} {
		near, _ := net.Pipe()
		w, err := Greet(&deaf{near, strings.NewReader(tc.answer), tc.err}, "", time.Second)
		if tc.code == nil {
			if err != nil || w != testWelcome {
				t.Errorf("%s: %+v, %v", name, w, err)
			}
		} else if !errors.Is(err, tc.code) || !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%s: %v; want %q", name, err, tc.words)
		}
	}
}

// TestGreetingBounds: a body of the longest length and a welcome of the
// shortest length are read; TestGreet goes one byte past each.
func TestGreetingBounds(t *testing.T) {
	text := "mom:full:0:" + strings.Repeat("x", maxRefusal-len("mom:full:0:"))
	if _, _, err := greetedWith("MoM\x01\x01\x01\x04\x00"+text, 1<<20, true); !errors.Is(err, wire.Full) {
		t.Errorf("the longest refusal: %v", err)
	}
	if _, _, err := greetedWith(welcomeBytes[:7]+"\x17"+welcomeBytes[8:], 1<<20, true); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "a welcome of 23 bytes; want 24") {
		t.Errorf("a byte less than a welcome: %v", err)
	}
}

// TestGreetLeavesNoDeadline: after the greeting its deadline is no longer set.
func TestGreetLeavesNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() {
			ReadHello(far)
			Accept(far, testWelcome)
			time.Sleep(time.Hour)
			far.Write([]byte("x"))
		}()
		if _, err := Greet(near, "", time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := near.Read(make([]byte, 1)); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}
