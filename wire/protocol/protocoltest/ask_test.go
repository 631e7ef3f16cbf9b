package protocoltest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// read decodes the events of a page.
func (p *page) read(t *testing.T) []event {
	t.Helper()
	r, events := newReader(p.Types), make([]event, p.Count)
	r.in.Write(p.Events)
	for i := range events {
		var err error
		if events[i], err = r.next(); err != nil {
			t.Fatalf("event %d of %d: %v", i, p.Count, err)
		}
	}
	if r.in.Len() > 0 {
		t.Errorf("%d bytes behind the last event", r.in.Len())
	}
	return events
}

// TestHistory reads the cached events page by page.
func TestHistory(t *testing.T) {
	srv, addr := serving(t, momserver.Config{CacheEvents: 5})
	run := uuid.New()
	for range 8 {
		publish(t, srv, run, wire.Transferring)
	}
	c := connect(t, addr, "")
	epoch := c.epoch
	for _, tc := range []struct {
		args   historyArgs
		missed uint64
		seqs   []uint64
		next   uint64
		more   bool
	}{
		{historyArgs{}, 0, []uint64{4, 5, 6, 7, 8}, 9, false},
		{historyArgs{Max: 2}, 0, []uint64{4, 5}, 6, true},
		{historyArgs{Since: cursor{epoch, 5}, Max: 2}, 0, []uint64{6, 7}, 8, true},
		{historyArgs{Since: cursor{epoch, 1}, Max: 1}, 2, []uint64{4}, 5, true},
		{historyArgs{Since: cursor{epoch, 8}}, 0, nil, 9, false},
		{historyArgs{Since: cursor{id{1}, 8}, Max: 1}, 3, []uint64{4}, 5, true},
	} {
		var p page
		c.must("MoM.History", &tc.args, &p)
		var seqs []uint64
		for _, ev := range p.read(t) {
			seqs = append(seqs, ev.Seq)
		}
		if p.Epoch != epoch || p.Missed != tc.missed || p.Next != tc.next || p.More != tc.more || !slices.Equal(seqs, tc.seqs) {
			t.Errorf("%+v: missed %d, %v, next %d, more %v", tc.args, p.Missed, seqs, p.Next, p.More)
		}
	}
	if failed, err := c.call("MoM.History", &historyArgs{Since: cursor{epoch, 9}}, &page{}); !strings.HasPrefix(failed, "mom:bad-request:0:") || err != nil {
		t.Errorf("a cursor ahead: %q, %v", failed, err)
	}
}

// TestJobs asks for the latest event of each job, and of those after the first.
func TestJobs(t *testing.T) {
	srv, addr := serving(t, momserver.Config{})
	jobs := []uuid.UUID{{3}, {1}, {2}, {1}}
	for _, job := range jobs {
		if err := srv.Publish(wire.Event{JobID: job, RunID: job, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}); err != nil {
			t.Fatal(err)
		}
	}
	c := connect(t, addr, "")
	for after, want := range map[id][]uint64{{}: {4, 3, 1}, {1}: {3, 1}, {3}: nil} {
		var p page
		c.must("MoM.Jobs", &jobsArgs{After: after}, &p)
		var seqs []uint64
		for _, ev := range p.read(t) {
			seqs = append(seqs, ev.Seq)
		}
		if p.Epoch != c.epoch || p.More || !slices.Equal(seqs, want) {
			t.Errorf("after %x: %v; want %v", after[:1], seqs, want)
		}
	}
}

// proof is what one end of a dial-back proves itself with.
func proof(ticket []byte, role string, nonce []byte) []byte {
	mac := hmac.New(sha256.New, ticket)
	mac.Write([]byte("mom dial-back " + role))
	mac.Write(nonce)
	return mac.Sum(nil)
}

// TestDialBack subscribes with a callback endpoint.
func TestDialBack(t *testing.T) {
	srv, addr := serving(t, momserver.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ticket, nonce := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{9}, 16)
	called := make(chan net.Conn, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		nc.Write(slices.Concat([]byte("MoM\x02\x01"), nonce, proof(ticket, "endpoint", nonce)))
		called <- nc
	}()
	c := connect(t, addr, "")
	c.must("MoM.Subscribe", &subscribeArgs{Credit: credit{10, 1 << 30}, CallbackAddr: l.Addr().String(), Ticket: ticket}, &subscribed{})

	callee := &client{frames: newFrames(<-called), t: t, credit: 10}
	defer callee.nc.Close()
	callee.notify = callee.take
	answer := make([]byte, 32)
	if _, err := io.ReadFull(callee.nc, answer); err != nil || !bytes.Equal(answer, proof(ticket, "server", nonce)) {
		t.Fatalf("the server's proof: %x, %v", answer, err)
	}
	publish(t, srv, uuid.New(), wire.JobInitialized)
	callee.until("the event", func() bool { return callee.next == 2 })
	callee.took("event 1")
	c.must("MoM.Ping", &nothing{}, &nothing{})

	callee.nc.Close() // ends the other connection too
	ended(t, c.nc)
}

// TestDialBackUnproven: without a proof the answer is the same, whatever the
// endpoint sends, and the server sends the endpoint nothing.
func TestDialBackUnproven(t *testing.T) {
	_, addr := serving(t, momserver.Config{DialTimeout: 50 * time.Millisecond})
	ticket, nonce := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{9}, 16)
	words := make(map[string]bool)
	for name, says := range map[string][]byte{
		"silence": nil, "a banner": []byte("220 mail\r\n"), "another ticket": slices.Concat([]byte("MoM\x02\x01"), nonce, proof(ticket[:31], "endpoint", nonce)),
		"another version": slices.Concat([]byte("MoM\x02\x02"), nonce, proof(ticket, "endpoint", nonce)),
		"the other role":  slices.Concat([]byte("MoM\x02\x01"), nonce, proof(ticket, "server", nonce)),
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan int, 1)
		go func() {
			nc, err := l.Accept()
			if err != nil {
				heard <- -1
				return
			}
			defer nc.Close()
			nc.Write(says)
			got, _ := io.ReadAll(nc)
			heard <- len(got)
		}()
		c := connect(t, addr, "")
		failed, err := c.call("MoM.Subscribe", &subscribeArgs{CallbackAddr: l.Addr().String(), Ticket: ticket}, &subscribed{})
		if !strings.HasPrefix(failed, "mom:callback:0:") || err != nil {
			t.Errorf("%s: %q, %v", name, failed, err)
		}
		words[failed] = true
		if n := <-heard; n != 0 {
			t.Errorf("%s: the endpoint heard %d bytes before it had proven anything", name, n)
		}
		l.Close()
	}
	if len(words) != 1 {
		t.Errorf("the words tell what was found: %v", words)
	}
}
