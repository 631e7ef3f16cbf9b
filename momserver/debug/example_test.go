package debug_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"mom.internal/momserver"
	"mom.internal/momserver/debug"
)

// A program that embeds the server mounts the pages beside its own.
func Example() {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()

	mux := http.NewServeMux()
	mux.Handle("/mom/", http.StripPrefix("/mom", debug.Handler(srv)))
	site := httptest.NewServer(mux) // of the program's own, on a loopback address
	defer site.Close()

	r, err := http.Get(site.URL + "/mom/healthz")
	if err != nil {
		panic(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	fmt.Printf("%s\n%s", r.Status, body)
	// Output:
	// 503 Service Unavailable
	// momserver: not serving yet: Serve has not been called
}
