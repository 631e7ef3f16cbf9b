package duplex

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
	"mom.internal/wire/wiretest/attack"
)

// list keeps the numbers that it was called with, in the order of serving.
type list struct {
	mu   sync.Mutex // guards the fields below
	got  []int
	busy bool
}

func (l *list) Add(n *int, reply *int) error {
	l.mu.Lock()
	if l.busy {
		panic("two calls at once")
	}
	l.busy = true
	l.mu.Unlock()
	runtime.Gosched()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
	l.got = append(l.got, *n)
	*reply = *n
	return nil
}

// TestOrder: calls are served one at a time in the order of sending, in both
// directions at once, whatever their size.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		la, lb := new(list), new(list)
		a, b := pair(t, la, lb)
		var callers sync.WaitGroup
		for _, c := range []*Conn{a, b} {
			callers.Go(func() {
				done := make(chan error, n)
				for i := range n {
					go func() {
						time.Sleep(time.Duration(i)) // calls leave in this order
						reply := -1
						err := c.Call(context.Background(), "Test.Add", &i, &reply)
						if reply != i {
							err = errors.Join(err, fmt.Errorf("call %d answered %d", i, reply))
						}
						done <- err
					}()
				}
				for range n {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		for _, l := range []*list{la, lb} {
			if len(l.got) != n || !slices.IsSorted(l.got) {
				t.Errorf("served %v", l.got)
			}
		}
	})
}

// servedTo returns how Serve ends on what far sends.
func servedTo(t *testing.T, cfg ConnConfig, send func(far net.Conn)) (after time.Duration, err error) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		c := NewConn(near, cfg)
		start, sent := time.Now(), make(chan struct{})
		go func() {
			defer close(sent)
			send(far)
			select {
			case <-c.Done():
			case <-time.After(time.Hour):
			}
			far.Close()
		}()
		err = c.Serve("Test", &echo{t})
		after = time.Since(start)
		if err != c.Err() {
			t.Errorf("Serve returned %v, Err is %v", err, c.Err())
		}
		<-sent
	})
	return after, err
}

// frame is a frame in bytes.
func frame(kind frameKind, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{byte(kind)}, uint32(len(payload))), payload...)
}

// callOf is a call of Test.Twice in bytes.
func callOf(t *testing.T, method string, behind ...byte) []byte {
	type request struct {
		ServiceMethod string
		Seq           uint64
	}
	return append(attack.Encode(&request{method, 1}, 5), behind...)
}

// TestRepliesNobodyAskedFor: a reply to no call is passed over, and one more than
// there were calls ends the connection.
func TestRepliesNobodyAskedFor(t *testing.T) {
	for _, calls := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			c := NewConn(near, testConfig)
			go c.Serve("", nil)
			go io.Copy(io.Discard, far)
			for range calls {
				c.Client().Go("Test.Twice", new(int), new(int), make(chan *rpc.Call, 1))
			}
			w := gob.NewWriter()
			reply := func() []byte {
				b, _ := w.Append(nil, &rpc.Response{Seq: 1 << 40})
				b, _ = w.Append(b, new(int))
				return frame(frameReply, b)
			}
			for range calls {
				far.Write(reply())
				synctest.Wait()
				if err := c.Err(); err != nil {
					t.Errorf("%d calls: %v", calls, err)
				}
			}
			far.Write(reply())
			synctest.Wait()
			if err := c.Err(); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "more replies than there were calls") {
				t.Errorf("%d calls, and a reply more: %v", calls, err)
			}
			c.Close(wire.Errorf(wire.Closed, "test over"))
			c.Wait()
			far.Close()
		})
	}
}

// TestBrokenFrames end the connection, with a code and with words that repeat
// nothing.
func TestBrokenFrames(t *testing.T) {
	good := callOf(t, "Test.Twice")
	for _, tc := range []struct {
		name string
		sent []byte
		is   error
		text string
	}{
		{"kind 0", frame(0, good), wire.ProtocolError, "a frame of kind 0"},
		{"kind 3", frame(3, good), wire.ProtocolError, "a frame of kind 3"},
		{"a greeting", []byte("MoM\x01\x01\x00\x00"), wire.ProtocolError, "a frame of kind 77"},
		{"an empty call", frame(frameCall, nil), wire.ProtocolError, "cut off"},
		{"a reply", frame(frameReply, nil), wire.ProtocolError, "more replies than there were calls"},
		{"a byte behind", frame(frameCall, callOf(t, "Test.Twice", 3, 4, 0, 2)), wire.ProtocolError, "4 bytes after a message"},
		{"no arguments", frame(frameCall, good[:len(good)-4]), wire.ProtocolError, "cut off"},
		{"half a call", frame(frameCall, good[:len(good)-1]), wire.ProtocolError, "cut off"},
		{"arguments of another type", frame(frameCall, attack.Encode(struct{ ServiceMethod string }{"Test.Twice"}, "text")), wire.ProtocolError, "type int cannot hold"},
		{"no gob", frame(frameCall, []byte("GET / HTTP/1.1\r\n\r\n")), wire.ProtocolError, "cut off"},
	} {
		after, err := servedTo(t, testConfig, func(far net.Conn) { far.Write(tc.sent) })
		if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) || after != 0 {
			t.Errorf("%s: %v after %v; want %q", tc.name, err, after, tc.text)
		}
	}
	whole := frame(frameCall, good)
	for n := range whole { // cut at every byte
		_, err := servedTo(t, testConfig, func(far net.Conn) {
			far.Write(whole[:n])
			far.Close()
		})
		if !errors.Is(err, wire.Lost) || n > 0 != strings.Contains(err.Error(), "within a message") {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

// TestMaxMessage is exact: a frame of the limit is taken, one byte more ends
// the connection at its head.
func TestMaxMessage(t *testing.T) {
	name := strings.Repeat("x", 20_000)
	payload := callOf(t, "Test."+name)
	cfg := testConfig
	cfg.MaxMessage = len(payload)
	if after, err := servedTo(t, cfg, func(far net.Conn) { far.Write(frame(frameCall, payload)) }); !errors.Is(err, wire.Lost) || after != time.Hour {
		t.Errorf("at the limit: %v after %v", err, after)
	}
	cfg.MaxMessage--
	after, err := servedTo(t, cfg, func(far net.Conn) { far.Write(frame(frameCall, payload)[:frameHead]) })
	if !errors.Is(err, wire.TooLarge) || after != 0 || !strings.Contains(err.Error(), fmt.Sprintf("a message of %d bytes; at most %d", len(payload), cfg.MaxMessage)) {
		t.Errorf("over the limit: %v after %v", err, after)
	}
	if _, err := servedTo(t, cfg, func(far net.Conn) { far.Write([]byte{1, 255, 255, 255, 255}) }); !errors.Is(err, wire.TooLarge) {
		t.Errorf("4 GiB: %v", err)
	}
}

// TestMessageTimeout counts from a frame's first byte, not from its last one
// that came; between frames there is no limit.
func TestMessageTimeout(t *testing.T) {
	whole := frame(frameCall, callOf(t, "Test.Twice"))
	trickle := func(gap time.Duration) func(net.Conn) {
		return func(far net.Conn) {
			time.Sleep(time.Minute)
			for _, b := range whole {
				far.Write([]byte{b})
				time.Sleep(gap)
			}
		}
	}
	cfg := testConfig
	gap := 10 * time.Millisecond
	cfg.MessageTimeout = time.Duration(len(whole)-1)*gap + 1
	if _, err := servedTo(t, cfg, trickle(gap)); !errors.Is(err, wire.Lost) {
		t.Errorf("just in time: %v", err)
	}
	cfg.MessageTimeout -= 2
	if after, err := servedTo(t, cfg, trickle(gap)); !errors.Is(err, wire.Stalled) || after != time.Minute+cfg.MessageTimeout {
		t.Errorf("too late: %v after %v", err, after)
	}
	for _, n := range []int{1, 4, 5, 6, len(whole) - 1} {
		after, err := servedTo(t, cfg, func(far net.Conn) { far.Write(whole[:n]) })
		if !errors.Is(err, wire.Stalled) || after != cfg.MessageTimeout {
			t.Errorf("silent after %d bytes: %v after %v", n, err, after)
		}
	}
}

// TestPrecheck refuses a long call by its beginning: the rest need not come.
func TestPrecheck(t *testing.T) {
	begin := attack.Encode(&struct {
		ServiceMethod string
		L             []uint64
	}{"Test.Twice", make([]uint64, 5000)})
	frame := append([]byte{byte(frameCall), 0, 0x10, 0, 0}, begin...) // of a megabyte
	frame = append(frame, make([]byte, max(0, frameStep-len(begin)))...)
	after, err := servedTo(t, testConfig, func(far net.Conn) { far.Write(frame) })
	if !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "elements") || after != 0 {
		t.Errorf("%v after %v", err, after)
	}
}

// TestPrecheckOfReplies: a long reply is refused by its beginning, too, on a
// connection that serves nothing and takes no calls.
func TestPrecheckOfReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewConn(near, testConfig)
		go c.Serve("", nil)
		go io.Copy(io.Discard, far)
		c.Client().Go("Test.Twice", new(int), new(int), make(chan *rpc.Call, 1))
		synctest.Wait()
		begin := attack.Encode(rpc.Response{}, make([]uint64, 5000))
		far.Write(append([]byte{byte(frameReply), 0, 0x10, 0, 0}, append(begin, make([]byte, max(0, frameStep-len(begin)))...)...))
		synctest.Wait()
		if err := c.Err(); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "elements") {
			t.Errorf("before the rest has come: %v", err)
		}
		c.Close(wire.Errorf(wire.Closed, "test over"))
		c.Wait()
	})
}

// TestGobOnConn refuses a definition of a map in either kind of frame.
func TestGobOnConn(t *testing.T) {
	stream := attack.Encode(&struct {
		ServiceMethod string
		M             map[int]int
	}{"T", map[int]int{}})
	for _, kind := range []frameKind{frameCall, frameReply} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go io.Copy(io.Discard, far)
			c := NewConn(near, testConfig)
			served := make(chan error)
			go func() { served <- c.Serve("Test", &echo{t}) }()
			if kind == frameReply {
				go c.Call(context.Background(), "Test.Twice", new(int), new(int))
				synctest.Wait()
			}
			far.Write(frame(kind, stream))
			if err := <-served; !errors.Is(err, wire.ProtocolError) || !errors.As(err, new(gob.Error)) || !strings.Contains(err.Error(), "map") {
				t.Errorf("kind %d: %v", kind, err)
			}
		})
	}
}

// TestConnEnds once, with the first reason; every call fails with it.
func TestConnEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		c := NewConn(near, testConfig)
		failed := make(chan error, 2)
		for range 2 {
			go func() { failed <- c.Call(context.Background(), "Test.Twice", new(int), new(int)) }()
		}
		synctest.Wait()
		if c.Err() != nil {
			t.Error("it has an error before its end")
		}
		c.Close(wire.Errorf(wire.Draining, "first"))
		c.Close(wire.Errorf(wire.Full, "second"))
		c.Client().Close()
		c.Wait() // without Serve, too
		if err := c.Serve("Test", nil); !errors.Is(err, wire.Draining) {
			t.Errorf("Serve after the end: %v", err)
		}
		for range 2 {
			if err := <-failed; !errors.Is(err, wire.Draining) || err.Error() != "first" {
				t.Errorf("a call: %v", err)
			}
		}
		if err := c.Call(context.Background(), "Test.Twice", new(int), new(int)); !errors.Is(err, wire.Draining) {
			t.Errorf("a later call: %v", err)
		}
	}) // and here no goroutine is left, or the bubble would not end
}

// TestCalledWithoutService ends the connection of who has nothing to serve.
func TestCalledWithoutService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &echo{t}, nil)
		n, reply := 4, 0
		if err := b.Call(context.Background(), "Test.Twice", &n, &reply); err != nil || reply != 8 {
			t.Errorf("its own calls: %d, %v", reply, err)
		}
		if err := a.Call(context.Background(), "Test.Twice", &n, &reply); !errors.Is(err, wire.Lost) {
			t.Errorf("a call to it: %v", err)
		}
		synctest.Wait()
		if !errors.Is(b.Err(), wire.ProtocolError) {
			t.Errorf("it ended with %v", b.Err())
		}
	})
}

// TestLastReceived moves with frames, not with bytes.
func TestLastReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &echo{t}, &echo{t})
		began := time.Now()
		time.Sleep(time.Minute)
		if !a.LastReceived().Equal(began) {
			t.Errorf("heard %v after the beginning", a.LastReceived().Sub(began))
		}
		a.Call(context.Background(), "Test.Twice", new(int), new(int))
		if a.LastReceived().Sub(began) != time.Minute || b.LastReceived().Sub(began) != time.Minute {
			t.Errorf("heard %v and %v after the beginning", a.LastReceived().Sub(began), b.LastReceived().Sub(began))
		}
	})
}
