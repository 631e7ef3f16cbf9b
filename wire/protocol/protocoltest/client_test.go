package protocoltest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// serving returns the address of a real server, on a real socket.
func serving(t *testing.T, cfg momserver.Config) (*momserver.Server, string) {
	t.Helper()
	srv := momserver.New(cfg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return srv, l.Addr().String()
}

// dial connects. Nothing in these tests may take ten seconds.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { nc.Close() })
	return nc
}

// hello is a client's half of the greeting.
func hello(version byte, token string) []byte {
	out := append([]byte("MoM\x01"), version)
	out = binary.BigEndian.AppendUint16(out, uint16(len(token)))
	return append(out, token...)
}

// greet says hello and returns status and body of the answer.
func greet(t *testing.T, nc net.Conn, hello []byte) (status byte, body []byte) {
	t.Helper()
	if _, err := nc.Write(hello); err != nil {
		t.Fatal(err)
	}
	var head [8]byte
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		t.Fatal(err)
	}
	if string(head[:4]) != "MoM\x01" || head[4] != 1 {
		t.Fatalf("the greeting opens %x", head)
	}
	body = make([]byte, binary.BigEndian.Uint16(head[6:]))
	if _, err := io.ReadFull(nc, body); err != nil {
		t.Fatal(err)
	}
	return head[5], body
}

// client is the minimal client.
type client struct {
	*frames
	t         *testing.T
	epoch     id
	heartbeat time.Duration
	limit     uint32 // of what the server takes

	credit  uint64 // for events, to answer
	events  []event
	marks   []string // "missed 3", "snapshot 5", "event 6", in the order of arrival
	next    uint64
	pending uint32
	stream  *reader
}

func connect(t *testing.T, addr, token string) *client {
	t.Helper()
	nc := dial(t, addr)
	status, body := greet(t, nc, hello(1, token))
	if status != 0 || len(body) < 24 {
		t.Fatalf("greeted with %d %q", status, body)
	}
	c := &client{
		frames: newFrames(nc), t: t, epoch: id(body[:16]),
		heartbeat: time.Duration(binary.BigEndian.Uint32(body[16:])) * time.Millisecond,
		limit:     binary.BigEndian.Uint32(body[20:]),
	}
	c.notify = c.take
	return c
}

// must makes a call that succeeds.
func (c *client) must(method string, args, reply any) {
	c.t.Helper()
	if failed, err := c.call(method, args, reply); failed != "" || err != nil {
		c.t.Fatalf("%s: %q, %v", method, failed, err)
	}
}

// take answers Callback.Notify.
func (c *client) take(b *batch) ack {
	c.batches++
	if len(b.Types) > 0 {
		c.typesSent++
		c.stream = newReader(b.Types)
	}
	if b.Count == 0 {
		c.emptyBatches++
	}
	if b.Next == 0 || b.Next < c.next || b.Snapshot > b.Count {
		c.t.Errorf("a batch that goes back: %+v", b)
	}
	if b.Missed > 0 {
		c.marks = append(c.marks, fmt.Sprint("missed ", b.Missed))
	}
	c.stream.in.Write(b.Events)
	for i := range b.Count {
		ev, err := c.stream.next()
		if err != nil {
			c.t.Errorf("event %d of %+v: %v", i, b, err)
			break
		}
		kind := "event "
		if i < b.Snapshot {
			kind = "snapshot "
		}
		c.events, c.marks = append(c.events, ev), append(c.marks, fmt.Sprint(kind, ev.Seq))
	}
	if c.stream.in.Len() > 0 {
		c.t.Errorf("%d bytes behind the last event", c.stream.in.Len())
	}
	c.next, c.pending = b.Next, b.Pending
	return ack{c.credit, 1 << 30}
}

// until serves the server's calls until cond holds.
func (c *client) until(what string, cond func() bool) {
	c.t.Helper()
	for !cond() {
		if _, err := c.step(nil); err != nil {
			c.t.Fatalf("waiting for %s, with %q: %v", what, c.marks, err)
		}
	}
}

// took checks what came since the last took.
func (c *client) took(want ...string) {
	c.t.Helper()
	if got := strings.Join(c.marks, ", "); got != strings.Join(want, ", ") {
		c.t.Errorf("got %s;\nwant %s", got, strings.Join(want, ", "))
	}
	c.marks = nil
}

// ended checks that the server closes.
func ended(t *testing.T, nc net.Conn) {
	t.Helper()
	n, err := io.Copy(io.Discard, nc)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the connection lives on, after %d bytes", n)
	}
}

// publish publishes an event of the run.
func publish(t *testing.T, srv *momserver.Server, run uuid.UUID, state wire.State) {
	t.Helper()
	err := srv.Publish(wire.Event{JobID: uuid.NameSpaceDNS, RunID: run, Data: wire.TransferData{
		Initialize: &wire.InitializeData{Name: "site", FilesInPackages: 7, LastExecution: time.Unix(1e9, 5).UTC()},
		Status:     wire.Status{State: state, Log: []wire.LogEntry{{Severity: wire.SeverityWarning, Message: "\xff, odd"}}},
		Progress:   wire.Progress{BytesDone: 1 << 40},
	}})
	if err != nil {
		t.Fatal(err)
	}
}
