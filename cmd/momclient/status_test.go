package main

import (
	"errors"
	"strings"
	"testing"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/momclient"
	"mom.internal/wire"
)

// TestStatusReporter prints each change of the connection that matters, once.
func TestStatusReporter(t *testing.T) {
	refused := errors.New("cannot connect to S: connection refused")
	lost := func(why string) momclient.ConnectionStatus {
		return momclient.ConnectionStatus{Kind: momclient.Lost, Server: "S", Err: errors.New(why)}
	}
	down := momclient.ConnectionStatus{Kind: momclient.Lost, Server: "S", Err: refused}
	again := momclient.ConnectionStatus{Kind: momclient.Reconnecting, Server: "S", Err: refused, Attempt: 9}
	connecting := momclient.ConnectionStatus{Kind: momclient.Connecting, Server: "S"}
	connected := momclient.ConnectionStatus{Kind: momclient.Connected, Server: "S"}
	resumed := momclient.ConnectionStatus{Kind: momclient.Resumed, Server: "S", Replayed: 3, Missed: 4}
	one := momclient.ConnectionStatus{Kind: momclient.Resumed, Server: "S", Replayed: 1}
	anew := momclient.ConnectionStatus{Kind: momclient.Resumed, Server: "S", NewEpoch: true}
	full := momclient.ConnectionStatus{Kind: momclient.Refused, Server: "S", Err: wire.Errorf(wire.Full, "10 subscribers already")}
	token := momclient.ConnectionStatus{Kind: momclient.Refused, Server: "S", Err: wire.Unauthorized, Final: true}
	bye := momclient.ConnectionStatus{Kind: momclient.Draining, Server: "S", Err: errors.New("shutting down")}
	byeLost := momclient.ConnectionStatus{Kind: momclient.Lost, Server: "S", Err: bye.Err}
	for name, tc := range map[string]struct {
		statuses []momclient.ConnectionStatus
		want     string
	}{
		"at once":               {[]momclient.ConnectionStatus{connecting, connected, {Kind: momclient.Closed}}, "connected S"},
		"not up yet":            {[]momclient.ConnectionStatus{connecting, down, again, connecting, down, again, connecting, connected}, "cannot connect to S: connection refused|waiting for S, and trying again|connected S"},
		"a short cut":           {[]momclient.ConnectionStatus{connected, lost("reset"), again, connecting, resumed}, "connected S|lost: reset|resumed: 3 events replayed, 4 missed"},
		"a long one":            {[]momclient.ConnectionStatus{connected, lost("reset"), again, down, again, down, again, resumed}, "connected S|lost: reset|cannot connect to S: connection refused|waiting for S, and trying again|resumed: 3 events replayed, 4 missed"},
		"at a cursor":           {[]momclient.ConnectionStatus{connecting, connected, one}, "connected S"},
		"behind a gap":          {[]momclient.ConnectionStatus{connecting, connected, resumed}, "connected S|resumed: 3 events replayed, 4 missed"},
		"at a cursor of before": {[]momclient.ConnectionStatus{connecting, connected, anew}, "connected S|resumed on a new epoch 00000000-0000-0000-0000-000000000000: the server was restarted: 0 events replayed, 0 missed"},
		"resumed and again":     {[]momclient.ConnectionStatus{connected, one, lost("reset"), again, connecting, one}, "connected S|lost: reset|resumed: 1 event replayed, 0 missed"},
		"twice":                 {[]momclient.ConnectionStatus{connected, lost("reset"), again, resumed, lost("reset"), again, resumed}, "connected S|lost: reset|resumed: 3 events replayed, 4 missed|lost: reset|resumed: 3 events replayed, 4 missed"},
		"shut down":             {[]momclient.ConnectionStatus{connected, bye, byeLost, again}, "connected S|draining: shutting down"},
		"full":                  {[]momclient.ConnectionStatus{connecting, full, again, connecting, full, again, connecting, connected}, "refused for now: 10 subscribers already|waiting for S, and trying again|connected S"},
		"for good":              {[]momclient.ConnectionStatus{connecting, token}, ""}, // the program prints it at its end
		"ports":                 {[]momclient.ConnectionStatus{connected, lost("read 127.0.0.1:4000->S: reset"), lost("read 127.0.0.1:4001->S: reset")}, "connected S|lost: read 127.0.0.1:4000->S: reset"},
		"hostile":               {[]momclient.ConnectionStatus{lost("\x1b[2J\nmomclient: connected")}, `\x1b[2J\nmomclient: connected`},
	} {
		var said []string
		r := &statusReporter{say: func(text string) { said = append(said, output.Clean(text)) }}
		for _, s := range tc.statuses {
			r.status(s)
		}
		if got := strings.Join(said, "|"); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
