package main

import (
	"fmt"
	"strings"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/completion"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/recorder"
	"mom.internal/momclient"
)

// statusReporter reports the state of the connection to a server on stderr.
type statusReporter struct {
	say       func(string)
	board     *board.Board            // nil without one
	recorder  *recorder.Server        // nil without one
	done      *completion.Server      // nil without -exit-when-done
	unknown   *completion.ServerCheck // nil without -job
	connected bool                    // at least once
	fresh     bool                    // the last status was Connected
	attempts  int                     // since the last connection
	away      string                  // the last error that was printed; "" while connected
}

// status is the OnConnection handler.
func (r *statusReporter) status(s momclient.ConnectionStatus) {
	s.Err = withHint(s.Err)
	r.done.Status(s)
	if r.board != nil {
		r.board.Status(s)
	}
	if r.recorder != nil {
		r.recorder.Status(s)
	}
	fresh := r.fresh
	r.fresh = s.Kind == momclient.Connected
	switch s.Kind {
	case momclient.Connected:
		r.there()
		r.say(s.String())
	case momclient.Resumed: // follows Connected, if the monitor began at a cursor
		if !fresh {
			r.there()
		}
		if !fresh || s.NewEpoch || s.Missed > 0 {
			r.say(resumed(&s))
		}
	case momclient.Reconnecting:
		r.unknown.Away()
		if r.attempts++; r.begins() && !r.done.Over() {
			r.say("waiting for " + s.Server + ", and trying again")
		}
	case momclient.Draining:
		r.lost(s)
	case momclient.Lost, momclient.Refused:
		if s.Final {
			r.unknown.Away()
		}
		if !s.Final && !r.done.Over() { // the connection prints a final refusal
			r.lost(s)
		}
	}
}

// there records that the server is there.
func (r *statusReporter) there() {
	r.connected, r.attempts, r.away = true, 0, ""
	r.unknown.Start()
}

// resumed describes how the stream goes on.
func resumed(s *momclient.ConnectionStatus) string {
	epoch := ""
	if s.NewEpoch {
		epoch = fmt.Sprintf(" on a new epoch %v: the server was restarted", s.Epoch)
	}
	return fmt.Sprintf("resumed%s: %s replayed, %d missed", epoch, output.Plural(s.Replayed, "event"), s.Missed)
}

// begins reports whether a longer wait for the server begins: at the first
// attempt, or after a loss at the second.
func (r *statusReporter) begins() bool {
	if r.connected {
		return r.attempts == 2
	}
	return r.attempts == 1
}

// lost prints why the server is away, once for the same reason.
func (r *statusReporter) lost(s momclient.ConnectionStatus) {
	why := s.Err.Error()
	if _, peer, ok := strings.Cut(why, "->"); ok {
		why = peer // the local port is different at each attempt
	}
	if why == r.away {
		return
	}
	text := s.String()
	if s.Kind == momclient.Lost && (!r.connected || r.away != "") { // there was no connection to lose
		text = s.Err.Error()
	}
	r.away = why
	r.say(text)
}
