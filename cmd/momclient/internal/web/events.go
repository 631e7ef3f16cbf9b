package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mom.internal/wire"
)

// events keeps the last events, encoded.
type events struct {
	mu    sync.Mutex // guards the fields below
	first uint64     // the number of kept[0]; the first event has 1
	kept  [][]byte
	size  int
}

// Event keeps e, an event of the server with this name, for /api/events. The caller
// gives e to the board.
func (s *Server) Event(server string, e *wire.Event) error {
	text, err := s.json(e)
	if err != nil {
		return err
	}
	text = bytes.TrimSpace(text)
	if len(s.boards) > 1 {
		name, err := json.Marshal(server)
		if err != nil {
			return err
		}
		text = slices.Concat([]byte(`{"server":`), name, []byte{','}, bytes.TrimPrefix(text, []byte{'{'}))
	}
	s.events.add(text)
	return nil
}

func (r *events) add(text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == 0 {
		r.first = 1
	}
	r.kept = append(r.kept, text)
	r.size += len(text)
	for len(r.kept) > MaxEvents || r.size > MaxEventBytes && len(r.kept) > 1 {
		r.size -= len(r.kept[0])
		r.kept[0] = nil
		r.kept = r.kept[1:] // append makes a new array at the end of this one
		r.first++
	}
}

// after returns up to limit events after event n, how many of those are no
// longer kept, the number of the last event that is returned or gone, and
// whether there are more.
func (r *events) after(n uint64, limit int) (found []json.RawMessage, missed, last uint64, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found = []json.RawMessage{}
	if len(r.kept) == 0 || n >= r.first+uint64(len(r.kept)) {
		return found, 0, n, false
	}
	if n+1 < r.first {
		missed, n = r.first-1-n, r.first-1
	}
	size := 0
	for _, text := range r.kept[n+1-r.first:] {
		if size += len(text); len(found) == limit || size > maxAnswerSize && len(found) > 0 {
			return found, missed, n, true
		}
		found = append(found, text)
		n++
	}
	return found, missed, n, false
}

// answer is the answer to /api/events.
type answer struct {
	Events    []json.RawMessage `json:"events"`              // as -o json prints them
	Next      string            `json:"next"`                // the cursor for the next request
	More      bool              `json:"more"`                // there are more events
	Missed    uint64            `json:"missed"`              // events after the cursor of the request that are no longer kept
	Restarted bool              `json:"restarted,omitempty"` // the cursor of the request is from an earlier monitor, whose events are not here
}

// serveEvents answers /api/events?after=CURSOR&limit=N.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit := 100
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxAnswer {
			writeError(w, http.StatusBadRequest, fmt.Sprintf("limit: want a number from 1 to %d", maxAnswer))
			return
		}
		limit = n
	}
	var a answer
	var after uint64
	if text := query.Get("after"); text != "" {
		life, n, ok := parseCursor(text)
		if !ok {
			writeError(w, http.StatusBadRequest, "after: want the next of an earlier answer")
			return
		}
		if a.Restarted = life != s.life; !a.Restarted {
			after = n
		}
	}
	a.Events, a.Missed, after, a.More = s.events.after(after, limit)
	if query.Get("after") == "" || a.Restarted {
		a.Missed = 0 // a first request has missed nothing
	}
	a.Next = cursor(s.life, after)
	writeJSON(w, http.StatusOK, a)
}

// cursor returns the cursor of event or frame n.
func cursor(life string, n uint64) string { return life + "-" + strconv.FormatUint(n, 10) }

func parseCursor(text string) (life string, n uint64, ok bool) {
	life, number, ok := strings.Cut(text, "-")
	n, err := strconv.ParseUint(number, 10, 63)
	return life, n, ok && err == nil && life != ""
}
