package duplex

import (
	"bytes"
	"encoding/binary"
	stdgob "encoding/gob"
	"errors"
	"io"
	"net"
	"net/rpc"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
)

// pages answers with so many bytes, and keeps what it was asked.
type pages struct{ asked []int }

func (p *pages) Get(size *int, reply *[]byte) error {
	p.asked = append(p.asked, *size)
	*reply = make([]byte, *size)
	return nil
}

// rawPeer makes calls and replies in bytes, and reads nothing by itself.
type rawPeer struct {
	net.Conn
	t              *testing.T
	calls, replies *stdgob.Encoder
	call, reply    bytes.Buffer
	seq            uint64
	answers        gob.Stream
}

// against returns a peer of a Conn that serves receiver.
func against(t *testing.T, cfg ConnConfig, receiver any) (*rawPeer, *Conn) {
	near, far := net.Pipe()
	c := NewConn(near, cfg)
	go c.Serve("Test", receiver)
	p := &rawPeer{Conn: far, t: t}
	p.calls, p.replies = stdgob.NewEncoder(&p.call), stdgob.NewEncoder(&p.reply)
	t.Cleanup(func() {
		c.Close(wire.Errorf(wire.Closed, "test over"))
		c.Wait()
		far.Close()
	})
	return p, c
}

// get returns a call of Test.Get, as a frame. The padding makes it longer.
func (p *rawPeer) get(size, padding int) []byte {
	type request struct {
		ServiceMethod string
		Seq           uint64
		Padding       []byte
	}
	p.call.Reset()
	p.calls.Encode(&request{"Test.Get", p.seq, make([]byte, padding)})
	p.calls.Encode(size)
	p.seq++
	return frame(frameCall, p.call.Bytes())
}

// answer returns a reply to the Conn's own call.
func (p *rawPeer) answer(seq uint64) []byte {
	p.reply.Reset()
	p.replies.Encode(&rpc.Response{Seq: seq})
	p.replies.Encode(5)
	return frame(frameReply, p.reply.Bytes())
}

// next reads a frame, some bytes at a time, and returns of a reply which it is
// and how long; of a call false.
func (p *rawPeer) next(step int) (seq uint64, size int, ok bool) {
	p.t.Helper()
	in := func(n int) []byte {
		buf := make([]byte, n)
		for rest := buf; len(rest) > 0; {
			time.Sleep(time.Millisecond)
			n, err := p.Read(rest[:min(step, len(rest))])
			if err != nil {
				p.t.Fatal(err)
			}
			rest = rest[n:]
		}
		return buf
	}
	head := in(frameHead)
	payload := in(int(binary.BigEndian.Uint32(head[1:])))
	if frameKind(head[0]) == frameCall {
		return 0, 0, false
	}
	var r rpc.Response
	var body []byte
	p.answers.Take(payload)
	if err := errors.Join(p.answers.Decode(&r), p.answers.Decode(&body)); err != nil || r.Error != "" || r.ServiceMethod != "" {
		p.t.Fatal(err, r.Error, r.ServiceMethod)
	}
	return r.Seq, len(body), true
}

// pendingConfig lets one reply of a page's size wait, and four calls.
var pendingConfig = ConnConfig{
	MaxMessage: 1 << 20, MaxWaiting: 1 << 20, MaxCalls: 4, MaxReplies: 1000,
	WriteTimeout: time.Minute, MessageTimeout: time.Second,
}

// TestCallsWaitForReplies: while replies do not leave, calls are read and not
// served, and replies are taken. Then they are served in order, before newer
// ones.
func TestCallsWaitForReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := new(pages)
		p, c := against(t, pendingConfig, got)
		for i := range 5 { // the first reply fills the outbox
			p.Write(p.get(2000+i, 0))
			synctest.Wait()
		}
		if !slices.Equal(got.asked, []int{2000}) {
			t.Errorf("served while the first reply waits: %v", got.asked)
		}
		call := c.Client().Go("Test.Twice", 1, new(int), make(chan *rpc.Call, 1))
		p.Write(p.answer(0))
		synctest.Wait()
		select {
		case <-call.Done:
		default:
			t.Error("a reply waits behind calls")
		}
		for seq, i := uint64(0), 0; i < 6; i++ { // five replies and the call
			if i == 4 { // the last is being answered
				p.Write(p.get(2005, 0))
			}
			got, size, ok := p.next(1000)
			if !ok {
				continue
			}
			if got != seq || size != 2000+int(seq) {
				t.Errorf("reply %d is to call %d, of %d bytes", seq, got, size)
			}
			seq++
		}
		if seq, _, ok := p.next(1000); seq != 5 || !ok || !slices.Equal(got.asked, []int{2000, 2001, 2002, 2003, 2004, 2005}) {
			t.Errorf("the last reply is to call %d; served %v", seq, got.asked)
		}
		if c.Err() != nil {
			t.Error(c.Err())
		}
	})
}

// TestTooManyCalls ends a connection at the call that is one too many, and not
// before: at once, and not served.
func TestTooManyCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		max     int
		padding int
		taken   int // beside the one whose reply waits
	}{
		"calls":        {4, 0, 4},
		"bytes":        {0, 30 << 10, 2},
		"a long call":  {0, 63 << 10, 1},
		"the same max": {1, 63 << 10, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg, got := pendingConfig, new(pages)
			cfg.MaxCalls = tc.max
			p, c := against(t, cfg, got)
			start := time.Now()
			p.Write(p.get(2000, 0))
			synctest.Wait()
			for range tc.taken {
				p.Write(p.get(2000, tc.padding))
				synctest.Wait()
			}
			if c.Err() != nil {
				t.Errorf("%s: early: %v", name, c.Err())
			}
			p.Write(p.get(2000, tc.padding))
			synctest.Wait()
			if !errors.Is(c.Err(), wire.ProtocolError) || !strings.Contains(c.Err().Error(), "too many calls outstanding") || time.Since(start) != 0 {
				t.Errorf("%s: %v after %v", name, c.Err(), time.Since(start))
			}
			c.Wait()
			if len(got.asked) != 1 {
				t.Errorf("%s: %d calls served", name, len(got.asked))
			}
		})
	}
}

// TestBurstOfCalls: of calls that come together, more than may be unanswered
// end the connection before any is served, though their replies would leave.
// Replies among them do not count.
func TestBurstOfCalls(t *testing.T) {
	for n, is := range map[int]error{4: nil, 5: wire.ProtocolError} {
		synctest.Test(t, func(t *testing.T) {
			got := new(pages)
			p, c := against(t, pendingConfig, got)
			go io.Copy(io.Discard, p)
			var burst []byte
			for range n {
				c.Client().Go("Test.Get", new(int), new([]byte), make(chan *rpc.Call, 1)) // so that replies may come
				burst = append(append(burst, p.get(1, 0)...), p.answer(99)...)
			}
			p.Write(burst)
			synctest.Wait()
			if !errors.Is(c.Err(), is) || is == nil && len(got.asked) != n || is != nil && len(got.asked) != 0 {
				t.Errorf("%d calls at once: %d served, %v", n, len(got.asked), c.Err())
			}
		})
	}
}

// TestSlowReader that calls as much as it may gets every reply, however slowly.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := against(t, pendingConfig, new(pages))
		for range 4 {
			p.Write(p.get(50_000, 15_000))
			synctest.Wait()
		}
		for i := range uint64(100) {
			if seq, size, _ := p.next(1 << 10); seq != i || size != 50_000 {
				t.Fatalf("reply %d is to call %d, of %d bytes: %v", i, seq, size, c.Err())
			}
			p.Write(p.get(50_000, 15_000))
		}
	})
}

// TestRoomWithinAMessage: replies leave while a call has come in half. Those
// that wait are served after it, and it is not cut off.
func TestRoomWithinAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := new(pages)
		p, c := against(t, pendingConfig, got)
		for i := range 2 {
			p.Write(p.get(2000+i, 0))
			synctest.Wait()
		}
		last := p.get(2002, 0)
		p.Write(last[:frameHead+1])
		synctest.Wait()
		p.next(1000)
		synctest.Wait()
		p.Write(last[frameHead+1:])
		for range 2 {
			p.next(1000)
		}
		if c.Err() != nil || !slices.Equal(got.asked, []int{2000, 2001, 2002}) {
			t.Errorf("served %v: %v", got.asked, c.Err())
		}
	})
}

// TestCallerWhoStopsReading is dropped when a write has taken too long, and one
// that closes at once, whatever waits.
func TestCallerWhoStopsReading(t *testing.T) {
	for name, tc := range map[string]struct {
		stop  func(*rawPeer)
		is    error
		after time.Duration
	}{
		"silent": {func(*rawPeer) {}, wire.Timeout, time.Minute},
		"closed": {func(p *rawPeer) { p.Close() }, wire.Lost, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			got, start := new(pages), time.Now()
			p, c := against(t, pendingConfig, got)
			for range 3 {
				p.Write(p.get(2000, 0))
			}
			synctest.Wait()
			tc.stop(p)
			c.Wait()
			if !errors.Is(c.Err(), tc.is) || time.Since(start) != tc.after || len(got.asked) != 1 {
				t.Errorf("%s: %v after %v, %d served", name, c.Err(), time.Since(start), len(got.asked))
			}
		})
	}
}

// closing ends its connection under the first call.
type closing struct {
	c     *Conn
	calls int
}

func (k *closing) Get(*int, *[]byte) error {
	k.calls++
	k.c.Close(wire.Errorf(wire.ProtocolError, "enough"))
	return nil
}

// TestNothingAfterTheEnd: a connection that a call has ended serves nothing
// more, though it has come.
func TestNothingAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(closing)
		p, c := against(t, pendingConfig, k)
		k.c = c
		p.Write(append(p.get(1, 0), p.get(1, 0)...))
		c.Wait()
		if k.calls != 1 {
			t.Errorf("%d calls served", k.calls)
		}
	})
}

// TestCallRate: a peer may make as many calls at once as a second allows. From then
// on its calls are served in turn, none is lost, and the connection ends without
// waiting for them.
func TestCallRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig
		cfg.CallsPerSecond = 100
		near, far := net.Pipe()
		served := new(list)
		a, b := NewConn(near, testConfig), NewConn(far, cfg)
		go a.Serve("", nil)
		go b.Serve("Test", served)
		start := time.Now()
		for i := range 300 {
			var reply int
			if err := a.Call(t.Context(), "Test.Add", &i, &reply); err != nil {
				t.Fatal(err)
			}
			want := time.Duration(max(0, i-100)) * time.Second / 100
			if took := time.Since(start); took != want {
				t.Fatalf("call %d was served after %v; want %v", i, took, want)
			}
		}
		time.Sleep(500 * time.Millisecond) // makes room for 50
		for i := range 60 {
			a.Client().Go("Test.Add", &i, new(int), make(chan *rpc.Call, 1))
		}
		synctest.Wait()
		if n := len(served.got); n != 350 {
			t.Errorf("%d calls served", n)
		}
		b.Close(wire.Errorf(wire.Closed, "the test is over"))
		b.Wait()
		a.Wait()
		if took := time.Since(start); took > 2500*time.Millisecond {
			t.Errorf("ended after %v", took)
		}
	})
}

// TestPendingCalls keeps copies of calls in order, up to maxBacklog bytes, or one
// call of any length.
func TestPendingCalls(t *testing.T) {
	var b pendingCalls
	call := make([]byte, maxPendingBytes-1)
	call[0] = 1
	if !b.empty() || !b.push(call) || b.empty() {
		t.Error("a call is not taken")
	}
	call[0] = 9 // the buffer is read into again
	if !b.push([]byte{2}) || b.bytes != maxPendingBytes {
		t.Errorf("a call to the limit is not taken: %d bytes wait", b.bytes)
	}
	if b.push([]byte{3}) || len(b.calls) != 2 {
		t.Error("a byte over the limit is taken")
	}
	for i := byte(1); i <= 2; i++ {
		if got := b.pop(); got[0] != i {
			t.Errorf("call %d is %d", i, got[0])
		}
	}
	if !b.empty() || b.bytes != 0 || b.calls != nil {
		t.Errorf("%d calls wait with %d bytes, when all are served", len(b.calls), b.bytes)
	}
	if !b.push(make([]byte, 2*maxPendingBytes)) || b.push(nil) {
		t.Error("a long call is not taken alone")
	}
}

// TestCallsBehind counts the calls that have arrived together with one, the
// last of them as soon as its head has arrived.
func TestCallsBehind(t *testing.T) {
	call, reply := frame(frameCall, []byte("abc")), frame(frameReply, []byte("abc"))
	for name, tc := range map[string]struct {
		ahead [][]byte
		max   int
		want  int
	}{
		"nothing":          {nil, 2, 0},
		"two":              {[][]byte{call, call}, 2, 2},
		"between replies":  {[][]byte{reply, call, reply, reply, call, reply}, 2, 2},
		"heads alone":      {[][]byte{frame(frameCall, nil), frame(frameCall, nil)}, 2, 2},
		"cut in the call":  {[][]byte{call, call[:frameHead+2]}, 2, 2},
		"cut at its head":  {[][]byte{call, call[:frameHead]}, 2, 2},
		"cut in its head":  {[][]byte{call, call[:frameHead-1]}, 2, 1},
		"a reply cut":      {[][]byte{call, reply[:frameHead]}, 2, 1},
		"a length of 4 GB": {[][]byte{call, {byte(frameCall), 255, 255, 255, 255}, call}, 2, 2},
		"too little":       {[][]byte{call, call}, 4, 0}, // for 4 calls, which have 20 bytes at least
		"just enough":      {[][]byte{call, call, {1, 0, 0, 0}}, 4, 2},
	} {
		r := &frameReader{ahead: &readAhead{buf: bytes.Join(tc.ahead, nil)}}
		if got := r.callsBehind(tc.max); got != tc.want {
			t.Errorf("%s: %d calls of at most %d; want %d", name, got, tc.max, tc.want)
		}
	}
}
