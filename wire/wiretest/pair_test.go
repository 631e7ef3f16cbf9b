package wiretest_test

import (
	"testing"
	"testing/synctest"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
)

// TestHandler is the test in the package's documentation.
func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, client := wiretest.NewPair(t, momserver.Config{}, momclient.Options{})
		var states []wire.State
		client.OnEvent(func(e wire.Event) { states = append(states, e.Data.Status.State) })
		if err := client.Subscribe(t.Context()); err != nil {
			t.Fatal(err)
		}
		mirror(srv)
		synctest.Wait()
		if len(states) != 2 || states[1] != wire.JobCompleted {
			t.Errorf("the handler had events of the states %v", states)
		}
	})
}
