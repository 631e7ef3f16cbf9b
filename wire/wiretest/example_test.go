package wiretest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
)

// mirror is an application's code, which embeds the server.
func mirror(srv *momserver.Server) error {
	return srv.Run(context.Background(), uuid.New(), wire.InitializeData{Name: "site to staging"},
		func(_ context.Context, job *momserver.Job) error {
			job.Warn("index.html", "changed while it was read")
			return nil
		})
}

// A test of an application's own embedding looks at what subscribers are told.
func ExampleNewPair() {
	t := new(testing.T) // in a test, its argument
	srv, client := wiretest.NewPair(t, momserver.Config{}, momclient.Options{From: wire.FromOldest})
	mirror(srv)
	for e, err := range client.Events(context.Background()) {
		if err != nil {
			t.Error(err)
		}
		if fmt.Println(e.Data.Status.State, e.Data.Progress.Warnings); e.EndsRun() {
			break
		}
	}
	// Output:
	// MirroringJobInitialized 0
	// MirroringJobCompleted 1
}
