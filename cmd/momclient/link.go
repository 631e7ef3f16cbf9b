package main

import (
	"fmt"
	"io"
	"strings"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/momclient"
)

// link says on stderr how the connection does.
type link struct {
	stderr    io.Writer
	board     *board.Board // told too, if not nil
	end       *ending      // nil without -exit-when-done
	inquiry   *inquiry     // nil without -job
	connected bool         // ever
	fresh     bool         // the status before was Connected
	attempts  int          // announced since the last connection
	away      string       // what was said last of a server that is away; "" while connected
}

// status is the OnConnection handler.
func (l *link) status(s momclient.ConnectionStatus) {
	s.Err = advised(s.Err)
	l.end.status(s)
	if l.board != nil {
		l.board.Status(s)
	}
	fresh := l.fresh
	l.fresh = s.Kind == momclient.Connected
	switch s.Kind {
	case momclient.Connected:
		l.there()
		l.say(s.String())
	case momclient.Resumed: // after Connected, where the monitor began at a cursor
		if !fresh {
			l.there()
		}
		if !fresh || s.NewEpoch || s.Missed > 0 {
			l.say(resumed(&s))
		}
	case momclient.Reconnecting:
		if l.attempts++; l.begins() && !l.end.over() {
			l.say("waiting for " + s.Server + ", and trying again")
		}
	case momclient.Draining:
		l.lost(s)
	case momclient.Lost, momclient.Refused:
		if !s.Final && !l.end.over() { // a final refusal is what the program ends with
			l.lost(s)
		}
	}
}

// there notes that the server is there.
func (l *link) there() {
	l.connected, l.attempts, l.away = true, 0, ""
	l.inquiry.ask()
}

// resumed says how the stream goes on.
func resumed(s *momclient.ConnectionStatus) string {
	epoch := ""
	if s.NewEpoch {
		epoch = fmt.Sprintf(" on a new epoch %v: the server was restarted", s.Epoch)
	}
	return fmt.Sprintf("resumed%s: %s replayed, %d missed", epoch, plural(s.Replayed, "event"), s.Missed)
}

// begins reports whether a longer wait for the server begins: at once where it
// was never there, and when the first attempt after a loss has failed.
func (l *link) begins() bool {
	if l.connected {
		return l.attempts == 2
	}
	return l.attempts == 1
}

// lost says why the server is away: once, not at every attempt.
func (l *link) lost(s momclient.ConnectionStatus) {
	why := s.Err.Error()
	if _, peer, ok := strings.Cut(why, "->"); ok {
		why = peer // this side's port is another each time
	}
	if why == l.away {
		return
	}
	text := s.String()
	if s.Kind == momclient.Lost && (!l.connected || l.away != "") { // nothing was there to be lost
		text = s.Err.Error()
	}
	l.away = why
	l.say(text)
}

func (l *link) say(text string) { fmt.Fprintf(l.stderr, "momclient: %s\n", clean(text)) }
