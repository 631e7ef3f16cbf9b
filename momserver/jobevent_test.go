package momserver_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestGrownTooLarge: a change whose event has become too large is published without
// its texts, and never makes the mirroring fail.
func TestGrownTooLarge(t *testing.T) {
	for _, bound := range []int{100, 150, 200, 300, 600, 4096} {
		for size := bound - 120; size < bound; size += 7 {
			srv := momserver.New(momserver.Config{MaxEventBytes: bound})
			err := srv.Run(context.Background(), uuid.New(), wire.InitializeData{Name: "n"}, func(_ context.Context, j *momserver.Job) error {
				return j.Package(wire.PackageHeader{FileSize: 1 << 40, TargetFilePath: strings.Repeat("p", max(0, size))}, wire.PackageBody{Files: 1000}, func(p *momserver.Package) error {
					for range 30 {
						j.Warn("item", "text")
					}
					p.Item(strings.Repeat("i", 250))
					p.Moved(1 << 40)
					return nil
				})
			})
			if err != nil {
				t.Fatalf("bound %d, path of %d bytes: %v", bound, size, err)
			}
			if bound >= 300 {
				last := srv.Jobs()[0]
				if last.Outcome() != wire.Succeeded {
					t.Errorf("bound %d, path of %d bytes: %v, %v", bound, size, last.Data.Status.State, last.Outcome())
				}
			}
			srv.Close()
		}
	}
}
