package main

import (
	"fmt"
	"io"
	"strings"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/completion"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/momclient"
)

// statusReporter reports on stderr how the connection does.
type statusReporter struct {
	stderr    io.Writer
	board     *board.Board                // told too, if not nil
	done      *completion.Completion      // nil without -exit-when-done
	unknown   *completion.UnknownJobCheck // nil without -job
	connected bool                        // ever
	fresh     bool                        // the status before was Connected
	attempts  int                         // announced since the last connection
	away      string                      // what was said last of a server that is away; "" while connected
}

// status is the OnConnection handler.
func (r *statusReporter) status(s momclient.ConnectionStatus) {
	s.Err = withHint(s.Err)
	r.done.Status(s)
	if r.board != nil {
		r.board.Status(s)
	}
	fresh := r.fresh
	r.fresh = s.Kind == momclient.Connected
	switch s.Kind {
	case momclient.Connected:
		r.there()
		r.say(s.String())
	case momclient.Resumed: // after Connected, where the monitor began at a cursor
		if !fresh {
			r.there()
		}
		if !fresh || s.NewEpoch || s.Missed > 0 {
			r.say(resumed(&s))
		}
	case momclient.Reconnecting:
		if r.attempts++; r.begins() && !r.done.Over() {
			r.say("waiting for " + s.Server + ", and trying again")
		}
	case momclient.Draining:
		r.lost(s)
	case momclient.Lost, momclient.Refused:
		if !s.Final && !r.done.Over() { // a final refusal is what the program ends with
			r.lost(s)
		}
	}
}

// there notes that the server is there.
func (r *statusReporter) there() {
	r.connected, r.attempts, r.away = true, 0, ""
	r.unknown.Start()
}

// resumed says how the stream goes on.
func resumed(s *momclient.ConnectionStatus) string {
	epoch := ""
	if s.NewEpoch {
		epoch = fmt.Sprintf(" on a new epoch %v: the server was restarted", s.Epoch)
	}
	return fmt.Sprintf("resumed%s: %s replayed, %d missed", epoch, output.Plural(s.Replayed, "event"), s.Missed)
}

// begins reports whether a longer wait for the server begins: at once where it
// was never there, and when the first attempt after a loss has failed.
func (r *statusReporter) begins() bool {
	if r.connected {
		return r.attempts == 2
	}
	return r.attempts == 1
}

// lost says why the server is away: once, not at every attempt.
func (r *statusReporter) lost(s momclient.ConnectionStatus) {
	why := s.Err.Error()
	if _, peer, ok := strings.Cut(why, "->"); ok {
		why = peer // this side's port is another each time
	}
	if why == r.away {
		return
	}
	text := s.String()
	if s.Kind == momclient.Lost && (!r.connected || r.away != "") { // nothing was there to be lost
		text = s.Err.Error()
	}
	r.away = why
	r.say(text)
}

func (r *statusReporter) say(text string) {
	fmt.Fprintf(r.stderr, "momclient: %s\n", output.Clean(text))
}
