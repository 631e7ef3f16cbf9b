package web

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxTombs is how many frames long a part that went is remembered. Whoever had
// no frame for longer gets everything.
const maxTombs = 500

// topic is the state of one page, in parts that change one by one. It is made
// anew when somebody asks, not more often than each FrameTime whoever asks.
type topic struct {
	life string
	fill func(map[string]any) // puts all parts as they are now

	mu    sync.Mutex // guards all below
	frame uint64     // counts up with each change
	base  uint64     // who has had no frame since this one gets everything
	parts map[string]*part
	made  time.Time
	of    uint64 // the board's version, when it was made

	// Guarded by the mutex of streams.
	open int // streams
	idle time.Time
}

// part is a piece of a page's state.
type part struct {
	frame uint64 // in which it changed last
	json  []byte // nil for one that went
}

// fixed is a part that never changes while it is there: it is encoded once.
type fixed struct{ v any }

func newTopic(fill func(map[string]any)) *topic {
	return &topic{life: newName(), fill: fill, parts: make(map[string]*part)}
}

// refresh makes the state anew where the board has changed, or a second has
// passed, with which rates fade. mu is held.
func (t *topic) refresh(now time.Time, version uint64) {
	if age := now.Sub(t.made); !t.made.IsZero() && (age < FrameTime/2 || t.of == version && age < time.Second) {
		return
	}
	t.made, t.of = now, version
	state := make(map[string]any)
	t.fill(state)
	t.update(state)
}

// update compares the state with the parts. mu is held.
func (t *topic) update(state map[string]any) {
	next := t.frame + 1
	for key, v := range state {
		p := t.parts[key]
		f, is := v.(fixed)
		if is {
			if v = f.v; p != nil && p.json != nil {
				continue
			}
		}
		text, err := json.Marshal(v)
		if err != nil {
			continue // the board gives nothing that JSON cannot say
		}
		if p == nil {
			p = new(part)
			t.parts[key] = p
		}
		if !bytes.Equal(p.json, text) {
			p.json, p.frame = text, next
			t.frame = next
		}
	}
	for key, p := range t.parts {
		if _, is := state[key]; !is && p.json != nil {
			p.json, p.frame = nil, next
			t.frame = next
		} else if p.json == nil && p.frame+maxTombs < t.frame {
			t.base = max(t.base, p.frame)
			delete(t.parts, key)
		}
	}
}

// since returns the data of a frame that brings whoever had the last one up to
// date, and the frame's cursor; nil where nothing changed. Whoever had none, or
// one of a topic before this, gets everything.
func (t *topic) since(last string, now time.Time, version uint64) (id string, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh(now, version)
	life, n, _ := parseCursor(last)
	full := life != t.life || n < t.base || n > t.frame
	if id = cursor(t.life, t.frame); !full && n == t.frame {
		return id, nil
	}
	return id, t.encode(full, n, now)
}

// encode writes the parts that changed after frame n, or all. mu is held.
func (t *topic) encode(full bool, n uint64, now time.Time) []byte {
	keys := make([]string, 0, len(t.parts))
	for key, p := range t.parts {
		if full && p.json != nil || !full && p.frame > n {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys) // so that the same state is the same bytes
	var b bytes.Buffer
	b.WriteString(`{"now":` + strconv.FormatInt(now.UnixMilli(), 10))
	if full {
		b.WriteString(`,"full":true`)
	}
	b.WriteString(`,"set":{`)
	var gone []string
	comma := ""
	for _, key := range keys {
		if t.parts[key].json == nil {
			gone = append(gone, key)
			continue
		}
		b.WriteString(comma + strconv.Quote(key) + ":") // keys are plain ASCII
		b.Write(t.parts[key].json)
		comma = ","
	}
	b.WriteByte('}')
	if gone != nil {
		text, _ := json.Marshal(gone)
		b.WriteString(`,"gone":`)
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes()
}
