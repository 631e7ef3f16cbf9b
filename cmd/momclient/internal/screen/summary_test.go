package screen

import (
	"strings"
	"testing"
	"time"
)

// TestSummary checks the lines that stay on the normal screen.
func TestSummary(t *testing.T) {
	m := scenes["ended"]().watcher().model
	want := `pictures: transfer failed, 40 files, 1 package, 1 package failed, 1 error, 1.0 MiB in 5s
  no space left on device (#2 visit/map.pdf)
archive: with errors, 40 files, 1 package, 1 package failed, 1 error, 1.0 MiB in 3s
  no space left on device (visit/map.pdf)
lost one: transferring, 0 files, 0 packages
news: imported, 40 files, 1 package, 1 warning, 1.0 MiB
site to staging: succeeded, 120 files, 3 packages, 3.0 MiB
mirror.example:7420: 19 events, 12 missed, resumed 0 times
`
	if got := (&layout{loc: time.UTC}).summary(m); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	m = scenes["outcomes"]().watcher().model
	want = `every package failed: failed, 40 files, 1 package, 1 package failed, 1 error, 1.0 MiB in 30s
  no space left on device (visit/map.pdf)
[dry run] scanned: scanning, 0 files, 0 packages, 1234 checked
layers: transferring, 0 files, 2 packages, 1.2 MiB
[dry run] broken off: cancelled, 0 files, 0 packages in 3s
[dry run] only tried: succeeded, 120 files, 3 packages, 12 skipped, 3 deleted, 132 checked, 1 retry, 3.0 MiB in 30s
cancelled before it knew: cancelled, 0 files, 0 packages
mirror.example:7420: 11 events, 0 missed, resumed 0 times
`
	if got := (&layout{loc: time.UTC}).summary(m); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	m = scenes["fifty"]().watcher().model
	if got := (&layout{}).summary(m); !strings.Contains(got, "\n… and 30 more jobs\n") || strings.Count(got, "\n") > 2*maxSummary+2 {
		t.Errorf("got\n%s", got)
	}
}
