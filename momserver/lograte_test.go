package momserver

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLeftOut: a line gives the number of lines that were left out before it,
// for each message on its own, and nothing if no line was.
func TestLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log := limitLog(slog.New(slog.NewTextHandler(&text, nil)), 1)
		for range logBurst + 3 {
			log.With("key", "value").Info("one")
		}
		log.WithGroup("group").Info("other")
		if n := strings.Count(text.String(), "\n"); n != logBurst+1 || strings.Contains(text.String(), "left out") {
			t.Errorf("%d lines: %s", n, &text)
		}
		for _, left := range []int{3, 0} {
			text.Reset()
			time.Sleep(time.Second)
			log.Info("one")
			if said := text.String(); strings.Contains(said, fmt.Sprintf(`"left out"=%d`, left)) != (left > 0) || !strings.Contains(said, "msg=one") {
				t.Errorf("want %d left out: %s", left, said)
			}
		}
	})
}
