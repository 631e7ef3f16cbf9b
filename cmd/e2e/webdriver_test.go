//go:build unix

package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// browser is a headless Chromium, driven over WebDriver's plain HTTP.
type browser struct {
	t       *testing.T
	session string // its URL
	http    http.Client
}

// newBrowser starts a browser with a new profile. It skips the test if there is
// none.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	driver, err := exec.LookPath("chromedriver")
	if err != nil {
		t.Skip("no chromedriver here: Debian has it as chromium-driver")
	}
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here: Debian has it as chromium")
	}
	port := startDriver(t, driver)
	b := &browser{t: t, http: http.Client{Transport: &http.Transport{}, Timeout: time.Minute}} // no proxy
	t.Cleanup(b.http.CloseIdleConnections)
	profile := t.TempDir()
	address := "http://127.0.0.1:" + port + "/session"
	var made struct{ SessionID string }
	b.call(http.MethodPost, address, object{"capabilities": object{"alwaysMatch": object{
		"goog:loggingPrefs": object{"browser": "ALL"},
		"goog:chromeOptions": object{"binary": binary, "args": []string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir=" + profile, "--window-size=1280,800",
		}},
	}}}, &made)
	b.session = address + "/" + made.SessionID
	t.Cleanup(func() { b.call(http.MethodDelete, b.session, nil, nil) })
	return b
}

type object = map[string]any

var onPort = regexp.MustCompile(`started successfully on port (\d+)`)

// startDriver starts chromedriver, and returns its port. The driver takes any
// port of ::1 that is free, and ends if a socket has the port of the same number
// on 127.0.0.1. It is then started again.
func startDriver(t *testing.T, driver string) (port string) {
	t.Helper()
	var said strings.Builder
	for range 10 {
		cmd := exec.Command(driver, "--port=0")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children are killed, too
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := onPort.FindStringSubmatch(lines.Text()); m != nil {
				go io.Copy(io.Discard, out)
				return m[1]
			}
			fmt.Fprintln(&said, lines.Text())
		}
	}
	t.Fatalf("chromedriver did not start:\n%s", &said)
	return ""
}

// call makes a WebDriver call, and decodes the result into value.
func (b *browser) call(method, url string, body any, value any) {
	b.t.Helper()
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	r, err := http.NewRequest(method, url, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := struct{ Value json.RawMessage }{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: %d %v %.500s", method, url, resp.StatusCode, err, answer.Value)
	}
	if value != nil {
		if err := json.Unmarshal(answer.Value, value); err != nil {
			b.t.Fatalf("%v in %.500s", err, answer.Value)
		}
	}
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.call(http.MethodPost, b.session+"/url", object{"url": url}, nil)
}

// tab returns the tab that the browser shows.
func (b *browser) tab() (tab string) {
	b.t.Helper()
	b.call(http.MethodGet, b.session+"/window", nil, &tab)
	return tab
}

// newTab opens a tab in a window of its own, so that no other tab is hidden, and
// switches to it.
func (b *browser) newTab() string {
	b.t.Helper()
	var made struct{ Handle string }
	b.call(http.MethodPost, b.session+"/window/new", object{"type": "window"}, &made)
	b.turnTo(made.Handle)
	return made.Handle
}

func (b *browser) turnTo(tab string) {
	b.t.Helper()
	b.call(http.MethodPost, b.session+"/window", object{"handle": tab}, nil)
}

// closeTab closes the tab. The caller then switches to another one.
func (b *browser) closeTab() {
	b.t.Helper()
	b.call(http.MethodDelete, b.session+"/window", nil, nil)
}

// js runs the body of a function in the page, and decodes its result into
// value.
func (b *browser) js(value any, script string, args ...any) {
	b.t.Helper()
	if args == nil {
		args = []any{}
	}
	b.call(http.MethodPost, b.session+"/execute/sync", object{"script": script, "args": args}, value)
}

// text returns the text that a person reads on the page.
func (b *browser) text() (text string) {
	b.t.Helper()
	b.js(&text, "return document.body.innerText")
	return text
}

// devtools makes a call of Chromium's own protocol.
func (b *browser) devtools(method string, params object) {
	b.t.Helper()
	b.call(http.MethodPost, b.session+"/goog/cdp/execute", object{"cmd": method, "params": params}, nil)
}

// size sets the size of the window in CSS pixels. It may be smaller than a real
// window can be.
func (b *browser) size(width, height int, scale float64) {
	b.t.Helper()
	b.devtools("Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600})
}

// prefer sets the preferences of the user, as pairs of media features and
// values, and clears earlier ones.
func (b *browser) prefer(pairs ...string) {
	b.t.Helper()
	features := []object{}
	for pair := range slices.Chunk(pairs, 2) {
		features = append(features, object{"name": pair[0], "value": pair[1]})
	}
	b.devtools("Emulation.setEmulatedMedia", object{"features": features})
}

// grant grants a permission to the page, as a user would.
func (b *browser) grant(permission string) {
	b.t.Helper()
	b.call(http.MethodPost, b.session+"/permissions", object{"descriptor": object{"name": permission}, "state": "granted"}, nil)
}

// Keys, as WebDriver has them.
const (
	keyTab   = "\ue004"
	keyEnter = "\ue007"
	keySpace = "\ue00d"
)

func (b *browser) press(keys ...string) {
	b.t.Helper()
	var strokes []object
	for _, key := range keys {
		strokes = append(strokes, object{"type": "keyDown", "value": key}, object{"type": "keyUp", "value": key})
	}
	b.call(http.MethodPost, b.session+"/actions", object{"actions": []object{{"type": "key", "id": "keyboard", "actions": strokes}}}, nil)
}

// picture returns a screenshot of the window as PNG.
func (b *browser) picture() []byte {
	b.t.Helper()
	var text string
	b.call(http.MethodGet, b.session+"/screenshot", nil, &text)
	png, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}

// complaints returns what the browser has logged at level SEVERE since the last
// call: errors of scripts, breaches of the content policy, failed requests.
func (b *browser) complaints() (found []string) {
	b.t.Helper()
	var log []struct{ Level, Message string }
	b.call(http.MethodPost, b.session+"/se/log", object{"type": "browser"}, &log)
	for _, entry := range log {
		if entry.Level == "SEVERE" {
			found = append(found, entry.Message)
		}
	}
	return found
}

// until waits until a script returns true, and fails the test if it does not in
// time.
func (b *browser) until(what, script string, args ...any) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(hangs); ; <-tick.C {
		var holds bool
		if b.js(&holds, "return Boolean("+script+")", args...); holds {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not: %s; the page says\n%s\n%q", what, tail(b.text()), b.complaints())
		}
	}
}

// reads waits until a person can read the words on the page.
func (b *browser) reads(words string) {
	b.t.Helper()
	b.until(fmt.Sprintf("%q is read", words), "document.body.innerText.includes(arguments[0])", words)
}

// with returns the browser for another test, which begins without complaints.
func (b *browser) with(t *testing.T) *browser {
	other := *b
	other.t = t
	other.complaints()
	return &other
}

// click lets a script click the first element of the selector.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.until(selector+" is there", "document.querySelector(arguments[0])", selector)
	b.js(nil, "document.querySelector(arguments[0]).click()", selector)
}

// href returns the target of the first link of the selector.
func (b *browser) href(selector string) (href string) {
	b.t.Helper()
	b.js(&href, "return document.querySelector(arguments[0]).getAttribute('href')", selector)
	return href
}

func (b *browser) quiet() {
	b.t.Helper()
	for _, c := range b.complaints() {
		b.t.Errorf("the browser complains: %s", c)
	}
}
