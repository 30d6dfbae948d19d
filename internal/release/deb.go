package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// debName is the package's; its program is called bridge, and aicc-bridge where another program of
// that name comes first in PATH.
const debName = "aicc-bridge"

// bashCompletions is where bash looks for them.
const bashCompletions = "usr/share/bash-completion/completions/"

// deb writes the package of a platform.
func (m *maker) deb(ctx context.Context, p platform, binary string) error {
	tree := filepath.Join(m.work, "deb-"+p.arch)
	files, err := m.debFiles(binary)
	if err != nil {
		return err
	}
	size := 0
	for _, f := range files {
		size += (len(f.text) + 1023) / 1024
	}
	version := debVersion(m.version)
	files = append(files, file{"DEBIAN/control", 0o644, []byte(control(version, p.arch, size))})
	if err := lay(tree, files); err != nil {
		return err
	}
	for link, to := range map[string]string{
		"usr/bin/" + debName: "bridge", "usr/share/man/man1/" + debName + ".1.gz": "bridge.1.gz", bashCompletions + debName: "bridge",
	} {
		if err := os.Symlink(to, filepath.Join(tree, link)); err != nil {
			return err
		}
	}
	out, err := filepath.Abs(filepath.Join(m.out, fmt.Sprintf("%s_%s_%s.deb", debName, version, p.arch)))
	if err != nil {
		return err
	}
	// dpkg-deb gives later files this date, and one thread the same bytes on every machine.
	return command(ctx, m.work, []string{m.epoch()}, "dpkg-deb", "--root-owner-group", "--threads-max=1", "-Zxz", "--build", tree, out)
}

// lay writes the files and the folder of secrets, with their modes whatever the umask is.
func lay(tree string, files []file) error {
	for _, f := range files {
		path := filepath.Join(tree, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := cmp.Or(os.WriteFile(path, f.text, f.mode), os.Chmod(path, f.mode)); err != nil {
			return err
		}
	}
	secrets := filepath.Join(tree, "etc/bridge/secrets")
	if err := os.MkdirAll(secrets, 0o755); err != nil {
		return err
	}
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir():
			return err
		case path == secrets:
			return os.Chmod(path, 0o700)
		default:
			return os.Chmod(path, 0o755)
		}
	})
}

// debFiles are those of the package. In /etc is what the administrator changes.
func (m *maker) debFiles(binary string) ([]file, error) {
	text, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	files := []file{{"usr/bin/bridge", 0o755, text}, {"DEBIAN/conffiles", 0o644, []byte("/etc/bridge/bridge.yaml\n/etc/bridge/agents.csv\n")}}
	doc := "usr/share/doc/" + debName + "/"
	for path, name := range map[string]string{
		"docs/deploy/systemd/bridge.service": "usr/lib/systemd/system/bridge.service",
		"docs/deploy/systemd/bridge.yaml":    "etc/bridge/bridge.yaml",
		"docs/deploy/systemd/agents.csv":     "etc/bridge/agents.csv",
		"docs/deploy/debian/sysusers.conf":   "usr/lib/sysusers.d/bridge.conf",
		"docs/deploy/debian/copyright":       doc + "copyright",
		"docs/deploy/debian/overrides":       "usr/share/lintian/overrides/" + debName,
		"bridge.example.yaml":                doc + "examples/bridge.example.yaml",
		"README.md":                          doc + "README.md",
		"docs/deploy/debian/postinst":        "DEBIAN/postinst",
		"docs/deploy/debian/prerm":           "DEBIAN/prerm",
		"docs/deploy/debian/postrm":          "DEBIAN/postrm",
	} {
		f, err := m.source(path, name)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(name, "DEBIAN/p") {
			f.mode = 0o755
		}
		files = append(files, f)
	}
	changes := fmt.Sprintf("%s (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n -- %s  %s\n",
		debName, debVersion(m.version), maintainer(), m.date.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	small, err := packed([]byte(changes))
	files = append(files, file{doc + "changelog.gz", 0o644, small})
	for _, page := range m.pages {
		if err != nil {
			return nil, err
		}
		switch dir, base := filepath.Split(page.name); {
		case dir == "man/":
			page.name = "usr/share/man/man1/" + base + ".gz"
			page.text, err = packed(page.text)
		case base == "_bridge":
			page.name = "usr/share/zsh/vendor-completions/" + base
		case base == "bridge.bash":
			page.name, page.text = bashCompletions+"bridge", bothNames(page.text)
		default:
			page.name = "usr/share/fish/vendor_completions.d/" + base
		}
		files = append(files, page)
	}
	return files, err
}

// bothNames is bash's completion for the other name too: bash looks for a file of the name that is
// typed, and what is in it must be for that name.
func bothNames(completion []byte) []byte {
	return append(bytes.Clone(completion), "complete -o default -F __start_bridge "+debName+"\n"...)
}

// packed is a text as `gzip -9n` makes it.
func packed(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// debVersion is a version that Debian sorts as Go does: what comes before a release has ~, and
// there is no revision.
func debVersion(v string) string {
	return strings.ReplaceAll(strings.Replace(v, "-", "~", 1), "-", ".")
}

// maintainer is whom DEBFULLNAME and DEBEMAIL name, as for Debian's own tools.
func maintainer() string {
	return fmt.Sprintf("%s <%s>", cmp.Or(os.Getenv("DEBFULLNAME"), "The maintainers of the bridge"), cmp.Or(os.Getenv("DEBEMAIL"), "maintainers@bridge.invalid"))
}

// control describes the package; size is that of its files in KiB.
func control(version, arch string, size int) string {
	return fmt.Sprintf(`Package: %s
Version: %s
Architecture: %s
Maintainer: %s
Installed-Size: %d
Depends: systemd | systemd-standalone-sysusers
Recommends: ca-certificates
Section: net
Priority: optional
Description: contact centre events and files as NATS JetStream messages
 The bridge carries live agent events, call detail records, recording indexes
 and agent operations of a Huawei Cloud contact centre (AICC, CEC) onto NATS
 JetStream. It is one program with everything in it, a NATS server too.
`, debName, version, arch, maintainer(), size)
}
