package help

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testdata returns the path of a file, for any working directory.
var testdata = func() func(string) string {
	dir, _ := os.Getwd()
	return func(name string) string { return filepath.Join(dir, "testdata", name) }
}()

// TestCompletion completes command lines in real shells.
func TestCompletion(t *testing.T) {
	all := []string{"-every", "-log-level", "-once", "-spool", "-state", "-token-file"}
	for shell, ask := range map[string]func(t *testing.T, script string, words []string) []string{"bash": askBash, "zsh": askZsh, "fish": askFish} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip(err)
			}
			dir := t.TempDir()
			t.Chdir(dir)
			os.Mkdir("site dir", 0o777)
			os.WriteFile("mom token", nil, 0o600)
			var script strings.Builder
			testCommand().Answer(&script, question(shell))
			os.WriteFile("script", []byte(script.String()), 0o600)
			for _, tc := range []struct {
				words []string // after the command; the last one is completed
				want  []string
			}{
				{[]string{"-"}, all},
				{[]string{"-once", "-s"}, []string{"-spool", "-state"}},
				{[]string{"-log-level", ""}, []string{"debug", "info", "warn"}},
				{[]string{"-log-level", "w"}, []string{"warn"}},
				{[]string{"-log-level=w"}, []string{"warn"}},
				{[]string{"-state", "Transferred,J"}, []string{"Transferred,JobCompleted"}},
				{[]string{"-every", ""}, nil},
				{[]string{"-token-file", "mo"}, []string{"mom_token"}},
				{[]string{"-spool", ""}, []string{"site_dir"}},
				{[]string{"-once", "s"}, []string{"site_dir"}},
			} {
				got := ask(t, filepath.Join(dir, "script"), tc.words)
				for i := range got { // some shells offer the flag with its value
					got[i] = strings.TrimPrefix(got[i], "-log-level=")
				}
				slices.Sort(got)
				if got = slices.Compact(got); !slices.Equal(got, tc.want) {
					t.Errorf("%q: %q, want %q", tc.words, got, tc.want)
				}
			}
		})
	}
}

// run returns the lines that a program prints.
func run(t *testing.T, name string, args ...string) (lines []string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return strings.Fields(strings.NewReplacer(" ", "_", `\ `, "_", "/", "").Replace(string(out)))
}

func askBash(t *testing.T, script string, words []string) []string {
	var split []string
	for _, word := range words {
		if name, value, has := strings.Cut(word, "="); has {
			split = append(split, name, "=", value)
		} else {
			split = append(split, word)
		}
	}
	return run(t, "bash", slices.Concat([]string{testdata("complete.bash"), script}, split)...)
}

func askZsh(t *testing.T, script string, words []string) []string {
	return run(t, "zsh", "-f", testdata("complete.zsh"), "momtest "+strings.Join(words, " "), script)
}

func askFish(t *testing.T, script string, words []string) []string {
	return run(t, "fish", "-N", "-c", "source "+script+`; complete -C "momtest `+strings.Join(words, " ")+`" | string replace -r '\t.*' ''; true`)
}
