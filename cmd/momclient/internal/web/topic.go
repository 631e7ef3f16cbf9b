package web

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxTombs is the number of frames for which a removed part is remembered. A
// browser without a frame for longer gets the whole state.
const maxTombs = 500

// partsPerPause is the number of parts for which the time between two updates of a
// topic grows by half of FrameTime. So twenty servers with a hundred jobs each, all of
// them busy, are shown once a second.
const partsPerPause = 450

// topic is the state of one page, in parts that change separately. The state is
// computed when a browser asks, but seldom, however many browsers ask; see refresh.
type topic struct {
	life string
	fill func(map[string]any) // adds all parts

	mu    sync.Mutex // guards the fields below
	frame uint64     // the number of changes
	base  uint64     // a browser without a frame since this one gets the whole state
	parts map[string]*part
	made  time.Time
	of    uint64 // the version of the boards at the last update

	// The mutex of streams guards the fields below.
	open int // number of streams
	idle time.Time
}

// part is a part of the state of a page.
type part struct {
	frame   uint64 // the frame of its last change
	json    []byte // nil if the part was removed
	version uint64 // of a versioned part
}

// versioned is a part that changes only with its version, so it is made and encoded
// once for each.
type versioned struct {
	version uint64
	make    func() any
}

// fixed is a part that never changes, so it is encoded once.
type fixed struct{ v any }

func newTopic(fill func(map[string]any)) *topic {
	return &topic{life: newName(), fill: fill, parts: make(map[string]*part)}
}

// refresh updates the state if the board has changed, or if a second has
// passed, because rates fall with time. A large state is updated less often. mu is
// held.
func (t *topic) refresh(now time.Time, version uint64) {
	pause := FrameTime / 2 * time.Duration(1+len(t.parts)/partsPerPause)
	if age := now.Sub(t.made); !t.made.IsZero() && (age < pause || t.of == version && age < max(pause, time.Second)) {
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
		version := uint64(0)
		if of, is := v.(versioned); is {
			if version = of.version; p != nil && p.json != nil && p.version == version {
				continue
			}
			v = of.make()
		}
		text, err := json.Marshal(v)
		if err != nil {
			continue // the board has no values that JSON cannot express
		}
		if p == nil {
			p = new(part)
			t.parts[key] = p
		}
		p.version = version
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

// since returns a frame with the changes since the last one of a browser, and
// the cursor of the frame. It returns nil if nothing has changed. A browser
// with no last frame, or with one of an earlier topic, gets the whole state.
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

// encode encodes the parts that changed after frame n, or all of them. mu is
// held.
func (t *topic) encode(full bool, n uint64, now time.Time) []byte {
	keys := make([]string, 0, len(t.parts))
	for key, p := range t.parts {
		if full && p.json != nil || !full && p.frame > n {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys) // so that equal states have equal bytes
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
