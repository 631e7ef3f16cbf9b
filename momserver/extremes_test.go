package momserver_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/source"
)

// TestExtremeBounds: a server works even if every number and time of its
// configuration is the largest of its type.
func TestExtremeBounds(t *testing.T) {
	var cfg momserver.Config
	settings := reflect.ValueOf(&cfg).Elem()
	for _, name := range source.Numbers(settings.Type()) {
		field := settings.FieldByName(name)
		field.SetInt(1<<(field.Type().Bits()-1) - 1)
	}
	log := new(logged)
	cfg.Logger = log.logger()
	harness.Serve(t, cfg, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{Queue: math.MaxInt, QueueBytes: math.MaxInt, MaxMessage: 1 << 30})
		s.PublishN(1000)
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 1000 {
			t.Errorf("%+v: %s, %+v", sum, c.Statuses(), s.Stats().Dropped)
		}
	})
	if !strings.Contains(log.String(), "momserver: subscribed") {
		t.Errorf("nothing is logged: %s", log)
	}
}

// TestLongDescription refuses a run whose end might not fit an event; one that
// is accepted can be ended, in every way.
func TestLongDescription(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxEventBytes: 8 << 10}, func(s *harness.Server) {
		for _, size := range []int{4 << 10, 4<<10 + 1, 8 << 10} {
			j, err := s.StartJob(s.JobID, wire.InitializeData{Name: strings.Repeat("n", size)})
			if accepted := size <= 4<<10; (err == nil) != accepted || err != nil && !errors.Is(err, wire.TooLarge) {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if err == nil {
				for range 50 {
					j.Warn(strings.Repeat("i", 300), strings.Repeat("m", 300))
				}
				if err := j.Complete(); err != nil {
					t.Errorf("%d bytes: the end: %v", size, err)
				}
			}
		}
	})
}

// TestAbsurdCounts refuses numbers that count nothing, and publishes nothing.
func TestAbsurdCounts(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		for _, init := range []wire.InitializeData{{Packages: -1}, {Bytes: -1}, {FilesInPackages: -1}, {PagesInPackages: -1}} {
			if _, err := s.StartJob(s.JobID, init); !errors.Is(err, wire.BadRequest) {
				t.Errorf("%+v: %v", init, err)
			}
		}
		j, _ := s.StartJob(s.JobID, wire.InitializeData{ContinueOnError: true})
		for _, h := range []wire.PackageHeader{{Number: -1}, {FileSize: -1}} {
			if _, err := j.StartPackage(h, wire.PackageBody{}); !errors.Is(err, wire.BadRequest) {
				t.Errorf("%+v: %v", h, err)
			}
		}
		if _, err := j.StartPackage(wire.PackageHeader{}, wire.PackageBody{Files: -1}); !errors.Is(err, wire.BadRequest) {
			t.Error(err)
		}
		p, err := j.StartPackage(wire.PackageHeader{FileSize: 10}, wire.PackageBody{})
		if err != nil {
			t.Fatal(err)
		}
		p.Sent(math.MaxInt64 - 1)
		for _, n := range []int64{-1, 2, math.MaxInt64} {
			if err := p.Sent(n); !errors.Is(err, wire.BadRequest) {
				t.Errorf("%d bytes more: %v", n, err)
			}
		}
		if err := p.Fail(nil); err != nil {
			t.Error(err)
		}
		if err := j.Fail(nil); err != nil {
			t.Error(err)
		}
		if got := states(t, published(s)); got != "JobInitialized PackageInitialized Transferring TransferringError ExportingError" {
			t.Error(got)
		}
		if err := s.Run(context.Background(), s.JobID, wire.InitializeData{}, func(_ context.Context, j *momserver.Job) error { return j.Fail(nil) }); err == nil {
			t.Error("a run that failed without a reason is none that failed")
		}
	})
}
