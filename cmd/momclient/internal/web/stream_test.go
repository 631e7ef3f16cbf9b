package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/wiretest"
)

// inBubble runs a test of a testPage behind an HTTP server on a network in
// memory.
func inBubble(t *testing.T, test func(*testing.T, *testPage, *wiretest.Network)) {
	synctest.Test(t, func(t *testing.T) {
		var network wiretest.Network
		l, err := network.Listen("page")
		if err != nil {
			t.Fatal(err)
		}
		r := newTestPage(t)
		ctx, cancel := context.WithCancel(context.Background())
		srv := &http.Server{Handler: r.s, WriteTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
		go srv.Serve(l)
		test(t, r, &network)
		cancel()
		synctest.Wait()
		if n, _ := r.streams(); n != 0 {
			t.Errorf("%d streams are open when it is to end", n)
		}
		srv.Close()
	})
}

// streams returns how many streams are open, and how many topics are kept.
func (r *testPage) streams() (open, kept int) {
	r.s.streams.mu.Lock()
	defer r.s.streams.mu.Unlock()
	return r.s.streams.open, len(r.s.streams.topics)
}

// stream is the browser's end of a stream.
type stream struct {
	reader
	t     *testing.T
	nc    net.Conn
	lines *bufio.Reader
	code  string
	beats int
}

// open begins a stream, and reads the header of the answer.
func open(t *testing.T, network *wiretest.Network, query, last string) *stream {
	t.Helper()
	nc, err := network.DialContext(t.Context(), "tcp", "page")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	ask := "GET /api/live" + query + " HTTP/1.0\r\nHost: localhost\r\n" // HTTP 1.0 has no chunks
	if last != "" {
		ask += "Last-Event-ID: " + last + "\r\n"
	}
	go nc.Write([]byte(ask + "\r\n"))
	s := &stream{t: t, nc: nc, lines: bufio.NewReader(nc)}
	s.code, err = s.lines.ReadString('\n')
	for line := ""; err == nil && line != "\r\n"; line, err = s.lines.ReadString('\n') {
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// next reads the next frame.
func (s *stream) next() frame {
	s.t.Helper()
	var f frame
	for event := ""; ; {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case name == "id":
			s.last = value
		case name == "event":
			event = value
		case name == "data" && event == "beat":
			s.beats++
		case name == "data":
			if err := json.Unmarshal([]byte(value), &f); err != nil {
				s.t.Fatal(err)
			}
		case name == "" && f.Set != nil:
			return f
		}
	}
}

// TestLive sends the whole state, then changes, many events in one frame, and
// to a browser that comes back the changes that it lacks.
func TestLive(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testPage, network *wiretest.Network) {
		r.connect()
		for run := range 5 {
			r.event(run, wire.JobInitialized)
		}
		s := open(t, network, "", "")
		f := s.next()
		if !f.Full || f.Set["job/0/"+id(4).String()] == nil || f.Set["server/0"] == nil || f.Set["counts"] == nil {
			t.Fatalf("%+v", f)
		}
		begin := time.Now()
		for range 2000 {
			r.event(2, wire.Transferring, of(1))
		}
		f = s.next()
		if took := time.Since(begin); f.Full || took > FrameTime {
			t.Errorf("after %v: %+v", took, f)
		}
		if f.Set["job/0/"+id(2).String()] == nil || f.Set["job/0/"+id(3).String()] != nil || f.Set["counts"] != nil {
			t.Errorf("not what changed, and that alone: %v", f.Set)
		}
		s.nc.Close()
		r.event(3, wire.JobCompleted)
		time.Sleep(time.Minute)
		again := open(t, network, "", s.last)
		f = again.next()
		if f.Full || f.Set["job/0/"+id(3).String()] == nil || f.Set["job/0/"+id(4).String()] != nil || f.Set["counts"] == nil {
			t.Errorf("who comes back gets %v", f.Set)
		}
		if f = open(t, network, "?last="+again.last+"1", "").next(); !f.Full {
			t.Error("a place that never was")
		}
	})
}

// TestLiveOnce answers with one frame: the whole state, then what has changed since.
func TestLiveOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestPage(t)
		r.connect()
		r.event(1, wire.JobInitialized)
		r.event(2, wire.JobInitialized)
		var last string
		once := func() frame {
			t.Helper()
			var a struct {
				ID    string
				Frame frame
			}
			if w := r.get("/api/live?once&last="+last, &a); w.Code != http.StatusOK || a.ID == "" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if last = a.ID; a.Frame.Now != time.Now().UnixMilli() {
				t.Errorf("its time is %d", a.Frame.Now)
			}
			return a.Frame
		}
		if f := once(); !f.Full || f.Set["job/0/"+id(1).String()] == nil {
			t.Errorf("%+v", f)
		}
		if f := once(); f.Full || f.Set == nil || len(f.Set) > 0 {
			t.Errorf("nothing has changed: %+v", f)
		}
		time.Sleep(FrameTime)
		r.event(2, wire.Transferring)
		if f := once(); f.Full || f.Set["job/0/"+id(2).String()] == nil || f.Set["job/0/"+id(1).String()] != nil {
			t.Errorf("not what changed, and that alone: %v", f.Set)
		}
		if n, _ := r.streams(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
	})
}

// TestLivePace sends at most one frame per FrameTime during a flood, and a
// heartbeat now and then if nothing happens.
func TestLivePace(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testPage, network *wiretest.Network) {
		r.connect()
		s := open(t, network, "", "")
		s.next()
		begin, frames := time.Now(), 0
		flood := time.AfterFunc(0, func() {
			for range 1000 {
				r.event(1, wire.Transferring)
				time.Sleep(time.Millisecond)
			}
		})
		defer flood.Stop()
		for time.Since(begin) < time.Second {
			s.next()
			frames++
		}
		if most := int(time.Second/FrameTime) + 1; frames > most || frames < 3 {
			t.Errorf("%d frames in a second", frames)
		}
		for s.beats == 0 { // rates fall for a while
			time.Sleep(BeatTime)
			r.event(1, wire.Transferring)
			s.next()
		}
	})
}

// TestLiveJob follows the last run of a job, or the run in the request.
func TestLiveJob(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testPage, network *wiretest.Network) {
		r.event(1, wire.JobInitialized)
		r.event(1, wire.PackageInitialized, of(7), logged(wire.SeverityWarning, "careful"))
		r.event(1, wire.Transferred, of(7))
		r.event(1, wire.PackageCompleted, of(7))
		r.event(1, wire.JobCompleted)
		query := "?job=" + id(1).String()
		latest, first := open(t, network, query, ""), open(t, network, query+"&run="+id(1).String(), "")
		for _, s := range []*stream{latest, first} {
			f := s.next()
			if f.Set["package/7"] == nil || f.Set["throughput"] == nil || string(f.Set["shown"]) != `"`+id(1).String()+`"` || f.Set["log/0/1"] == nil {
				t.Fatalf("%v", f.Set)
			}
		}
		r.event(101, wire.JobInitialized)
		f := latest.next()
		if string(f.Set["shown"]) != `"`+id(101).String()+`"` || !strings.Contains(strings.Join(f.Gone, " "), "package/7") || f.Set["run/"+id(101).String()] == nil {
			t.Errorf("the latest: %v, gone %v", f.Set, f.Gone)
		}
		if f = first.next(); f.Set["shown"] != nil || f.Set["runs"] == nil || len(f.Gone) > 0 {
			t.Errorf("the first: %v, gone %v", f.Set, f.Gone)
		}
		if f = open(t, network, "?job="+id(2).String(), "").next(); string(f.Set["found"]) != "false" {
			t.Errorf("no such job: %v", f.Set)
		}
		if f = open(t, network, "?job="+uuid.Nil.String(), "").next(); string(f.Set["found"]) != "false" {
			t.Errorf("the job without an ID: %v", f.Set)
		}
		if f = open(t, network, "?job="+id(1).String()+"&run="+id(999).String(), "").next(); f.Set["shown"] != nil || string(f.Set["found"]) != "true" {
			t.Errorf("no such run: %v", f.Set)
		}
	})
}

// TestLiveStalled ends the stream of a browser that does not read after exactly
// WriteTimeout, and queues nothing for it.
func TestLiveStalled(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testPage, network *wiretest.Network) {
		r.connect()
		s := open(t, network, "", "")
		s.next()
		time.Sleep(FrameTime / 2)
		r.event(1, wire.Transferring)
		time.Sleep(FrameTime / 2) // this frame blocks
		for left := WriteTimeout - time.Nanosecond; left > 0; left -= min(left, FrameTime) {
			time.Sleep(min(left, FrameTime))
			r.event(1, wire.Transferring)
		}
		synctest.Wait()
		if n, _ := r.streams(); n != 1 {
			t.Error("it was ended too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n, _ := r.streams(); n != 0 {
			t.Error("it goes on")
		}
	})
}

// TestLiveMany refuses streams over the bound, and keeps few topics of pages
// that nobody has open.
func TestLiveMany(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testPage, network *wiretest.Network) {
		r.event(1, wire.JobInitialized)
		var all []*stream
		for i := range MaxStreams {
			all = append(all, open(t, network, "?job="+id(i+1).String(), ""))
			all[i].next()
		}
		if s := open(t, network, "", ""); !strings.Contains(s.code, "503") {
			t.Error(s.code)
		}
		for _, s := range all {
			s.nc.Close()
		}
		time.Sleep(time.Minute)
		if _, n := r.streams(); n != maxIdle {
			t.Errorf("%d states are kept", n)
		}
		if s := open(t, network, "", ""); !strings.Contains(s.code, "200") {
			t.Error(s.code)
		}
	})
}

// TestLiveBad refuses values that are no ID.
func TestLiveBad(t *testing.T) {
	r := newTestPage(t)
	for _, query := range []string{"?job=site", "?run=" + id(1).String(), "?job=" + id(1).String() + "&run=x"} {
		var e struct{ Error string }
		if w := r.get("/api/live"+query, &e); w.Code != http.StatusBadRequest || !strings.Contains(e.Error, "want") {
			t.Errorf("%s: %d %q", query, w.Code, e.Error)
		}
	}
}

// TestLogBound keeps the newest entries of each severity, so that notes do not
// displace errors.
func TestLogBound(t *testing.T) {
	r := newTestPage(t)
	r.event(1, wire.JobInitialized, logged(wire.SeverityError, "the only error"))
	for range 2 * maxLog {
		r.event(1, wire.Transferring, logged(wire.SeverityProcessing, "a note"))
	}
	state := make(map[string]any)
	r.s.jobState(topicKey{ofJob: true, job: id(1), run: id(1)})(state)
	n := 0
	for key := range state {
		if strings.HasPrefix(key, "log/") {
			n++
		}
	}
	if n != maxLog+1 || state["log/0/1"] == nil || state["logForgotten"] != maxLog {
		t.Errorf("%d entries, %v left out", n, state["logForgotten"])
	}
}
