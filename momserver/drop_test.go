package momserver

import (
	"encoding/json"
	"fmt"
	"testing"

	"mom.internal/wire"
)

// TestReasonText: each reason has words, and a number that is no reason is
// printed as a number.
func TestReasonText(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range Reasons() {
		if text := r.String(); text == "" || seen[text] {
			t.Errorf("%d is %q", uint8(r), text)
		} else {
			seen[text] = true
		}
	}
	for r, want := range map[Reason]string{0: "", reasonEnd: fmt.Sprintf("Reason(%d)", uint8(reasonEnd)), 255: "Reason(255)"} {
		if got := r.String(); got != want {
			t.Errorf("%d is %q; want %q", uint8(r), got, want)
		}
		if text, err := json.Marshal(r); err != nil || string(text) != fmt.Sprintf("%q", want) {
			t.Errorf("%d in JSON: %s, %v", uint8(r), text, err)
		}
	}
}

// TestDropsAreBounded: the latest drops are kept, oldest first, and all are
// counted.
func TestDropsAreBounded(t *testing.T) {
	var d drops
	for i := range 2*maxDrops + 1 {
		d.add(Drop{Reason: ReasonProtocol, Lag: uint64(i)})
	}
	d.add(Drop{Reason: ReasonShutdown, Lag: 1000})
	counts, recent := d.report()
	if len(counts) != 2 || counts[ReasonProtocol] != 2*maxDrops+1 || counts[ReasonShutdown] != 1 {
		t.Errorf("counts %v", counts)
	}
	if len(recent) != maxDrops || cap(d.recent) > 2*maxDrops || recent[0].Lag != maxDrops+2 || recent[maxDrops-1].Lag != 1000 {
		t.Errorf("%d kept, in memory for %d, from %+v to %+v", len(recent), cap(d.recent), recent[0], recent[len(recent)-1])
	}
	recent[0].Lag = 0
	if _, again := d.report(); again[0].Lag != maxDrops+2 {
		t.Error("the caller has the list itself")
	}
}

// TestReasonFor sorts every error that may end a connection, and names the
// setting that it exceeded.
func TestReasonFor(t *testing.T) {
	for code, want := range map[wire.Code]struct {
		reason  Reason
		setting string
	}{
		wire.Timeout: {ReasonWriteTimeout, " (Config.CallTimeout)"}, wire.Stalled: {ReasonStalled, " (Config.MessageTimeout)"},
		wire.TooLarge:      {ReasonProtocol, " (Config.MaxMessage)"},
		wire.ProtocolError: {ReasonProtocol, ""}, wire.NotMoM: {ReasonProtocol, ""}, wire.Full: {ReasonProtocol, ""},
		wire.Draining: {ReasonShutdown, ""}, wire.Closed: {ReasonShutdown, ""},
		wire.Disconnected: {ReasonDisconnected, ""}, wire.Expired: {ReasonExpired, ""},
		wire.Lost: {ReasonConnectionLost, ""}, wire.InternalError: {ReasonConnectionLost, ""}, "a code of a later version": {ReasonConnectionLost, ""},
	} {
		if reason, detail := reasonFor(wire.Errorf(code, "it ended")); reason != want.reason || detail != "it ended"+want.setting {
			t.Errorf("%s: %v, %q; want %+v", code, reason, detail, want)
		}
	}
}
