package momserver

import (
	"testing"

	"mom.internal/wire"
)

// TestUnsubscribedFirst has a client unsubscribe and close while a call to it
// is unanswered. Its word came before the call failed, so that it counts,
// though the sender has not read it yet.
func TestUnsubscribedFirst(t *testing.T) {
	srv := New(Config{})
	sub, conn := testSubscriber(t, srv, 1)
	s := srv.sender
	s.notify(sub, true)

	s.detach(sub, ReasonUnsubscribed, "it unsubscribed")
	conn.Close(wire.Errorf(wire.CodeLost, "it closed the connection"))
	s.replied(<-s.done)
	if drops, _ := srv.drops.report(); len(drops) != 1 || drops[ReasonUnsubscribed] != 1 {
		t.Errorf("dropped for %v", drops)
	}
	if s.obey(); len(s.subs) > 0 {
		t.Error("it is still subscribed")
	}
}
