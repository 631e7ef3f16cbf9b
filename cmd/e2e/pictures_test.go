//go:build unix

package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestPictures makes the pictures of the page for the README from a real run,
// if MOM_PICTURES names a directory for them. See .ci/pictures.
func TestPictures(t *testing.T) {
	dir := os.Getenv("MOM_PICTURES")
	if dir == "" {
		t.Skip("MOM_PICTURES names no directory")
	}
	b := newBrowser(t)
	sites := newSites(t)
	_, addr := serve(t, "", append([]string{"-every", "2s", "-bandwidth", "280000", "-package-files", "14", "-progress-interval", "150ms"}, sites.paths...)...)
	page := pageOf(start(t, "momclient", "-addr", addr, "-o", "json", "-http", "127.0.0.1:0"))
	b.size(1280, 640, 1.5)
	b.open(page)
	for n := 1; n <= 3; n++ { // so that there are earlier runs
		b.until("a run has ended", "[...document.querySelectorAll('.jobs tbody')].find(e => e.textContent.includes('photos to backup') && e.dataset.standing === 'succeeded')")
		sites.fill("photos", n, 40+n*30)
		b.until("another runs", "[...document.querySelectorAll('.jobs tbody')].find(e => e.textContent.includes('photos to backup') && e.dataset.standing === 'running')")
	}
	b.devtools("Emulation.setScrollbarsHidden", object{"hidden": true})
	b.prefer("prefers-color-scheme", "light", "prefers-reduced-motion", "reduce")
	const running = `(jobs => jobs('failed').length === 1 && jobs('running').length >= 2 && jobs('running').every(e => parseFloat(e.querySelector('.flights i')?.style.width) > 20)
		&& jobs('running').some(e => e.textContent.includes('photos') && parseFloat(e.querySelector('.done').textContent) > 50))
		(standing => [...document.querySelectorAll('.jobs tbody[data-standing=' + standing + ']')])`
	b.until("several run", running)
	save(t, dir, "page.png", b.picture())

	b.js(nil, "[...document.querySelectorAll('.jobs .job a')].find(a => a.textContent.includes('photos to backup')).click()")
	b.prefer("prefers-color-scheme", "dark", "prefers-reduced-motion", "reduce")
	b.size(1280, 900, 1.5)
	b.until("it goes on", "parseFloat(document.querySelector('.strip b')?.textContent) > 60")
	save(t, dir, "page-job-dark.png", b.picture())

	sites.fill("photos", 4, 160) // for another run, if this one ends before the next picture
	b.js(nil, "location.hash = '#/'")
	b.prefer("prefers-color-scheme", "light", "prefers-reduced-motion", "reduce")
	b.size(390, 844, 2)
	b.until("several run", running)
	b.js(nil, "document.activeElement.blur()")
	save(t, dir, "page-phone.png", b.picture())
}

// sites are directories to mirror. One of them cannot be mirrored completely.
type sites struct {
	t     *testing.T
	top   string
	paths []string // SRC DST ...
}

func newSites(t *testing.T) *sites {
	t.Helper()
	s := &sites{t: t, top: filepath.Join(os.TempDir(), "mom")} // the pictures show this name
	err := os.Mkdir(s.top, 0o755)
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(s.top) })
		err = os.CopyFS(filepath.Join(s.top, "site"), os.DirFS(filepath.Join("..", "..", "testdata", "site")))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{"releases", "mirror"}, {"docs", "archive"}, {"photos", "backup"}, {"manuals", "intranet"}, {"site", "staging"}} {
		s.paths = append(s.paths, filepath.Join(s.top, pair[0]), filepath.Join(s.top, pair[1]))
	}
	s.fill("releases", 1, 700)
	s.fill("docs", 1, 18)
	s.fill("photos", 0, 30)
	s.fill("manuals", 1, 50)
	s.write("intranet/part-1/file-020.html/left by hand.txt", 10) // a directory in the place of a file
	return s
}

// fill writes n files of different sizes. Each part has files of its own.
func (s *sites) fill(name string, part, n int) {
	s.t.Helper()
	for i := range n {
		s.write(fmt.Sprintf("%s/part-%d/file-%03d.html", name, part, i), 4000+i*7919%17_000)
	}
}

func (s *sites) write(name string, size int) {
	s.t.Helper()
	path := filepath.Join(s.top, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, bytes.Repeat([]byte{'x'}, size), 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// save writes a picture with its 256 most frequent colours, which makes the
// file small.
func save(t *testing.T, dir, name string, picture []byte) {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[color.RGBA]int)
	area := full.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	for y := range area.Dy() {
		for x := range area.Dx() {
			count[at(x, y)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return cmp.Compare(count[b], count[a]) })
	var palette color.Palette
	for _, c := range frequent[:min(len(frequent), 256)] {
		palette = append(palette, c)
	}
	nearest := make(map[color.RGBA]uint8)
	small := image.NewPaletted(area, palette)
	for y := range area.Dy() {
		for x := range area.Dx() {
			c := at(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			small.SetColorIndex(x, y, i)
		}
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, small)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d KB", name, b.Len()/1000)
}
