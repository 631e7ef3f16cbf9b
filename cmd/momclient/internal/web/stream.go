package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/runlog"
)

// topicKey names a page: the overview if it is zero, the page of a job, or that
// of one of its runs.
type topicKey struct {
	ofJob    bool
	server   int // an index in Server.boards; -1 for an unknown server
	job, run uuid.UUID
}

// streams has the pages that are open.
type streams struct {
	mu     sync.Mutex // guards the fields below
	open   int
	topics map[topicKey]*topic
}

// live answers /api/live?server=NAME&job=ID&run=ID with server-sent events. Each is a
// frame with the state of the page, and has a cursor as its ID. With once it answers
// with one frame, as JSON.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	key, err := s.parseKey(query)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	head := w.Header()
	if r.Method == http.MethodHead {
		head.Set("Content-Type", "text/event-stream")
		return
	}
	t := s.enter(key)
	if t == nil {
		head.Set("Retry-After", "5")
		writeError(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open already; close one", MaxStreams))
		return
	}
	defer s.leave(key, t)
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = query.Get("last") // from a page that had to begin another stream
	}
	if query.Has("once") {
		now := time.Now()
		id, data := t.since(last, now, s.version())
		if data == nil {
			data = []byte(`{"now":` + strconv.FormatInt(now.UnixMilli(), 10) + `,"set":{}}`)
		}
		writeJSON(w, http.StatusOK, struct {
			ID    string          `json:"id"`
			Frame json.RawMessage `json:"frame"`
		}{id, data})
		return
	}
	head.Set("Content-Type", "text/event-stream")
	head.Set("X-Accel-Buffering", "no")                 // for nginx, which would keep back the frames
	head.Set("Cache-Control", "no-store, no-transform") // nor may another proxy, to compress them
	s.follow(r.Context(), http.NewResponseController(w), w, t, last)
}

func (s *Server) parseKey(query url.Values) (key topicKey, err error) {
	if text := query.Get("job"); text != "" {
		if key.job, err = uuid.Parse(text); err != nil {
			return key, errors.New("job: want the ID of a job")
		}
		key.ofJob, key.server = true, s.serverOf(query, key.job)
	}
	if text := query.Get("run"); text != "" {
		if key.run, err = uuid.Parse(text); err != nil || !key.ofJob {
			return key, errors.New("run: want the ID of a run, and the ID of its job in job=")
		}
	}
	return key, nil
}

// serverOf returns the index of the server that the query names, or -1. If it names
// none, serverOf returns the first server that has the job.
func (s *Server) serverOf(query url.Values, job uuid.UUID) int {
	if query.Has("server") {
		return s.index(query.Get("server"))
	}
	return max(0, slices.IndexFunc(s.boards, func(b *board.Board) bool {
		_, running := b.Job(job)
		_, ended := s.runs.Job(runlog.Key{Server: b.Name(), Job: job})
		return running || ended
	}))
}

// follow sends frames until the browser goes away or reads no more, or the
// server ends.
func (s *Server) follow(ctx context.Context, ctl *http.ResponseController, w http.ResponseWriter, t *topic, last string) {
	tick := time.NewTicker(FrameTime)
	defer tick.Stop()
	text := []byte("retry: 1000\n\n")
	var sent time.Time
	for {
		now := time.Now()
		id, data := t.since(last, now, s.version())
		switch {
		case data != nil:
			last = id
			text = append(text, "id: "+id+"\nevent: state\ndata: "...)
			text = append(append(text, data...), "\n\n"...)
		case now.Sub(sent) >= BeatTime:
			text = append(text, "event: beat\ndata: "+strconv.FormatInt(now.UnixMilli(), 10)+"\n\n"...)
		}
		if len(text) > 0 {
			if send(ctl, w, text) != nil {
				return
			}
			text, sent = text[:0], now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// send writes and flushes within WriteTimeout.
func send(ctl *http.ResponseController, w http.ResponseWriter, text []byte) error {
	if err := ctl.SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return ctl.Flush()
}

// enter returns the topic of a page, or nil if too many pages are open.
func (s *Server) enter(key topicKey) *topic {
	all := &s.streams
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.open >= MaxStreams {
		return nil
	}
	all.open++
	t := all.topics[key]
	if t == nil {
		fill := s.overview
		if key.ofJob {
			fill = s.jobState(key)
		}
		t = newTopic(fill)
		all.topics[key] = t
	}
	t.open++
	return t
}

// leave keeps the topic for a browser that comes back, unless too many are
// kept.
func (s *Server) leave(key topicKey, t *topic) {
	all := &s.streams
	all.mu.Lock()
	defer all.mu.Unlock()
	all.open--
	t.open--
	t.idle = time.Now()
	idle, oldest := 0, key
	for k, other := range all.topics {
		if other.open > 0 {
			continue
		}
		if idle++; all.topics[oldest].open > 0 || other.idle.Before(all.topics[oldest].idle) {
			oldest = k
		}
	}
	if idle > maxIdle {
		delete(all.topics, oldest)
	}
}
