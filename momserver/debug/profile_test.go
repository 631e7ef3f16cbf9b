package debug

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"mom.internal/momserver"
)

// TestProfiles takes each kind of profile, as the tools ask for it.
func TestProfiles(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	for _, tc := range []struct {
		path string
		code int
		want string // in the body, unpacked
	}{
		{"heap", http.StatusOK, "inuse_space"},
		{"heap?gc=1", http.StatusOK, "inuse_space"},
		{"allocs", http.StatusOK, "alloc_space"},
		{"goroutine", http.StatusOK, "TestProfiles"},
		{"goroutine?debug=1", http.StatusOK, "goroutine profile: total"},
		{"goroutine?debug=2", http.StatusOK, "TestProfiles"},
		{"profile?seconds=0.01", http.StatusOK, "nanoseconds"},
		{"trace?seconds=0.01", http.StatusOK, "go 1."},
		{"none", http.StatusNotFound, "no such profile"},
		{"heap?seconds=1", http.StatusBadRequest, "seconds is for profile and trace"},
		{"profile?seconds=0", http.StatusBadRequest, "want seconds above 0, and at most 300"},
		{"profile?seconds=-1", http.StatusBadRequest, "want seconds"},
		{"profile?seconds=301", http.StatusBadRequest, "want seconds"},
		{"trace?seconds=NaN", http.StatusBadRequest, "want seconds"},
		{"trace?seconds=long", http.StatusBadRequest, "want seconds"},
	} {
		r := get(Handler(srv), "/debug/pprof/"+tc.path)
		if body := unpack(r); r.Code != tc.code || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d, no %q in %.200q", tc.path, r.Code, tc.want, body)
		}
	}
}

// unpack returns the body, unpacked where it is packed.
func unpack(r *httptest.ResponseRecorder) string {
	body := r.Body.String()
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		return body
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return err.Error()
	}
	return string(plain)
}

// TestProfileBusy refuses a second CPU profile, and says what to do.
func TestProfileBusy(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Skip("the tests are being profiled: ", err)
	}
	defer pprof.StopCPUProfile()
	r := get(Handler(srv), "/debug/pprof/profile?seconds=0.01")
	if r.Code != http.StatusConflict || !strings.Contains(r.Body.String(), "try again") || r.Header().Get("Content-Disposition") != "" {
		t.Errorf("%d %v %s", r.Code, r.Header(), r.Body)
	}
}

// TestProfileLeft ends a recording whose client has gone: the next can begin.
func TestProfileLeft(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	for _, kind := range []string{"profile", "trace"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r := httptest.NewRequest(http.MethodGet, "/debug/pprof/"+kind+"?seconds=300", nil)
			Handler(srv).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		}()
		cancel()
		select {
		case <-ended:
		case <-time.After(2 * time.Minute): // generous; it takes a fraction of a second
			t.Fatalf("the %s goes on", kind)
		}
		if r := get(Handler(srv), "/debug/pprof/"+kind+"?seconds=0.001"); r.Code != http.StatusOK {
			t.Errorf("the next %s: %d %s", kind, r.Code, r.Body)
		}
	}
}
