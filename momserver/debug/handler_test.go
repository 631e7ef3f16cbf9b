package debug

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// get asks a handler for a page.
func get(h http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
	return r
}

// event returns an event of a job of its own.
func event(state wire.State) wire.Event {
	return harness.Event(uuid.New(), uuid.New(), "", state)
}

// slowClient subscribes a client with a queue of one event, whose handler
// stands still until it is released.
func slowClient(s *harness.Server, name string) (release func()) {
	wait := make(chan struct{})
	c := s.Client(momclient.Options{Name: name, Queue: 1})
	c.OnEvent(func(wire.Event) { <-wait })
	c.MustSubscribe()
	synctest.Wait()
	return func() { close(wait) }
}

// TestHealthz follows a server's life.
func TestHealthz(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		expect := func(srv *momserver.Server, when string, code int, words string) {
			t.Helper()
			if r := get(Handler(srv), "/healthz"); r.Code != code || !strings.Contains(r.Body.String(), words) {
				t.Errorf("%s: %d %s", when, r.Code, r.Body)
			}
			serving := map[bool]float64{true: 1}[code == http.StatusOK]
			want(t, scrape(t, Handler(srv)), "momserver_serving", "momserver_serving", serving)
		}
		fresh := momserver.New(momserver.Config{})
		expect(fresh, "before Serve", http.StatusServiceUnavailable, "not serving yet")
		fresh.Close()
		s.Start()
		expect(s.Server, "serving", http.StatusOK, "ok")
		release := slowClient(s, "slow")
		for range 5 {
			s.Must(event(wire.Transferring))
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(context.Background()) }()
		synctest.Wait()
		expect(s.Server, "during Shutdown", http.StatusServiceUnavailable, "shutting down")
		release()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		expect(s.Server, "after Shutdown", http.StatusServiceUnavailable, "closed")
	})
}

// TestSubscribers shows who is there, how far each has got, and who has gone
// and why, the latest first; names are text whatever they contain.
func TestSubscribers(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 4, Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
		return momserver.Grant{AllJobs: true, Identity: "the shop"}, nil
	}}, func(s *harness.Server) {
		type page struct {
			Time        time.Time
			Published   uint64
			Subscribers []map[string]any
			Dropped     []map[string]any
		}
		read := func() (p page, text string) {
			t.Helper()
			r := get(Handler(s.Server), "/subscribers")
			if err := json.Unmarshal(r.Body.Bytes(), &p); err != nil || r.Header().Get("Content-Type") != "application/json; charset=utf-8" {
				t.Fatalf("%v %v", err, r.Header())
			}
			return p, r.Body.String()
		}
		if p, text := read(); p.Subscribers == nil || p.Dropped == nil || len(p.Subscribers)+len(p.Dropped) > 0 {
			t.Errorf("with nobody there: %s", text)
		}
		for _, name := range []string{"first", "second"} {
			s.Subscribed(momclient.Options{Name: name}).Close()
			time.Sleep(time.Second)
			synctest.Wait()
		}
		since := time.Now()
		release := slowClient(s, `<img src=x onerror="alert(1)">`)
		for range 10 {
			s.Must(event(wire.Transferring))
			synctest.Wait()
		}
		p, text := read()
		if len(p.Subscribers) != 1 || len(p.Dropped) != 2 || p.Published != 10 || !p.Time.Equal(time.Now()) {
			t.Fatal(text)
		}
		info, got := s.Subscribers()[0], p.Subscribers[0]
		for key, want := range map[string]any{
			"name": `<img src=x onerror="alert(1)">`, "addr": info.Addr, "since": since.UTC().Format(time.RFC3339Nano), "next": float64(info.Next),
			"lag": float64(info.Lag), "credit": float64(info.Credit), "delivered": float64(info.Delivered), "missed": float64(info.Missed),
			"identity": "the shop", "inFlight": float64(info.InFlight), "rttSeconds": info.RTT.Seconds(),
		} {
			if got[key] != want {
				t.Errorf("%s is %v; want %v", key, got[key], want)
			}
		}
		if info.Lag == 0 || info.Delivered == 0 || strings.Contains(text, "<img") {
			t.Errorf("%+v\n%s", info, text)
		}
		for i, name := range []string{"second", "first"} {
			if d := p.Dropped[i]; d["name"] != name || d["reason"] != "unsubscribed" || d["detail"] == "" || d["addr"] == "" || d["time"] == "" {
				t.Errorf("dropped: %v; want %s", d, name)
			}
		}
		release()
		synctest.Wait()
		p, text = read()
		if missed := s.Subscribers()[0].Missed; missed == 0 || p.Subscribers[0]["missed"] != float64(missed) || p.Subscribers[0]["lag"] != 0.0 {
			t.Errorf("when it has gone on, having missed %d: %s", missed, text)
		}
	})
}

// TestVars has expvar's form, with the server's figures in it.
func TestVars(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	if err := srv.Publish(event(wire.JobCompleted)); err != nil {
		t.Fatal(err)
	}
	var p struct {
		Cmdline    []string
		Goroutines int
		MemStats   struct{ HeapAlloc uint64 }
		Momserver  struct {
			Epoch     string
			Published uint64
			Jobs      map[string]int
		}
	}
	r := get(Handler(srv), "/debug/vars")
	if err := json.Unmarshal(r.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Cmdline) != len(os.Args) || p.Goroutines == 0 || p.MemStats.HeapAlloc == 0 ||
		p.Momserver.Epoch != srv.Epoch().String() || p.Momserver.Published != 1 || p.Momserver.Jobs["MirroringJobCompleted"] != 1 {
		t.Errorf("%+v", p)
	}
}

// TestMounted follows every link from the first page, where the handler is
// mounted below others.
func TestMounted(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	mux := http.NewServeMux()
	mux.Handle("/inner/mom/", http.StripPrefix("/inner/mom", Handler(srv)))
	site := httptest.NewServer(mux)
	defer site.Close()
	link := regexp.MustCompile(`href="([^"]+)"`)
	seen := make(map[string]bool)
	var visit func(url string)
	visit = func(url string) {
		if seen[url] || strings.Contains(url, "seconds=") { // recordings take their time
			return
		}
		seen[url] = true
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		health := strings.HasSuffix(url, "/healthz") && r.StatusCode == http.StatusServiceUnavailable
		if r.StatusCode != http.StatusOK && !health || len(body) == 0 {
			t.Errorf("%s: %s", url, r.Status)
		}
		for key, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store"} {
			if got := r.Header.Get(key); got != want {
				t.Errorf("%s: %s: %q", url, key, got)
			}
		}
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			return
		}
		for _, m := range link.FindAllStringSubmatch(string(body), -1) {
			to, err := r.Request.URL.Parse(m[1])
			if err != nil {
				t.Fatal(err)
			}
			visit(to.String())
		}
	}
	visit(site.URL + "/inner/mom/")
	visit(site.URL + "/inner/mom/debug/pprof") // to its slash
	for _, path := range []string{"metrics", "healthz", "subscribers", "debug/vars", "debug/pprof/", "debug/pprof/heap?debug=1", "debug/pprof/cmdline"} {
		if !seen[site.URL+"/inner/mom/"+path] {
			t.Errorf("%s is not linked", path)
		}
	}
}

// TestMethods allows reading only.
func TestMethods(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	for _, path := range []string{"/", "/metrics", "/healthz", "/subscribers", "/debug/vars", "/debug/pprof/", "/debug/pprof/profile"} {
		r := httptest.NewRecorder()
		Handler(srv).ServeHTTP(r, httptest.NewRequest(http.MethodPost, path, nil))
		if r.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, r.Code)
		}
	}
	if r := get(Handler(srv), "/other"); r.Code != http.StatusNotFound {
		t.Errorf("/other: %d", r.Code)
	}
}

// TestNothingGlobal finds nothing on the default mux: neither this package nor
// one that it imports registers there.
func TestNothingGlobal(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	Handler(srv)
	for _, path := range []string{"/", "/metrics", "/healthz", "/subscribers", "/debug/vars", "/debug/pprof/", "/debug/pprof/profile"} {
		if _, pattern := http.DefaultServeMux.Handler(httptest.NewRequest(http.MethodGet, path, nil)); pattern != "" {
			t.Errorf("%s is served by %q", path, pattern)
		}
	}
}
