package keyfile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/quote"
)

const (
	maxFileSize = 1 << 20 // bytes
	maxFiles    = 256
)

// file is a file with keys.
type file struct {
	name    string
	content []byte            // nil after the keys have been parsed, so that secrets are not retained
	digest  [sha256.Size]byte // the content's hash, for comparison
	keys    []usher.Key
	signs   bool
}

func newFile(name string, content []byte) file {
	return file{name: name, content: content, digest: sha256.Sum256(content)}
}

func sameFile(a, b file) bool { return a.name == b.name && a.digest == b.digest }

// read returns the files of the path with their keys. It reuses the keys of files that have not changed since known was
// read, so tokens in the caches of decoders stay valid.
func (k *Keys) read(known []file) ([]file, error) {
	files, isFolder, err := readStable(k.path)
	if err != nil {
		return nil, err
	}
	var problems []error
	withKeys := files[:0:0]
	for _, f := range files {
		if i := slices.IndexFunc(known, func(old file) bool { return sameFile(old, f) }); i >= 0 {
			f.keys = known[i].keys
		} else {
			where := k.path
			if isFolder {
				if isCertificate(f.content) {
					continue
				}
				where = filepath.Join(k.path, f.name)
			}
			if f.keys, err = k.opts.parse(f.name, f.content, isFolder); err != nil {
				problems = append(problems, prefixed(where, err))
				continue
			}
		}
		f.content = nil
		withKeys = append(withKeys, f)
	}
	if len(problems) == 0 {
		problems = k.opts.check(k.path, withKeys)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return withKeys, nil
}

// prefixed adds the file's path to every mistake in err.
func prefixed(where string, err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok { // joined errors of jwks.Parse
		var problems []error
		for _, err := range many.Unwrap() {
			problems = append(problems, prefixed(where, err))
		}
		return errors.Join(problems...)
	}
	if config, ok := errors.AsType[*usher.ConfigError](err); ok {
		return configError(where, config.Field+" "+config.Reason)
	}
	return configError(where, err.Error())
}

// check chooses the file with the signing key, and reports all mistakes that involve several files.
func (o *Options) check(path string, files []file) []error {
	if len(files) == 0 {
		return []error{configError(path, "has no keys")}
	}
	problems := checkMix(path, files)
	for i, f := range files {
		for _, key := range f.keys {
			for _, other := range files[:i] {
				if slices.ContainsFunc(other.keys, func(k usher.Key) bool { return conflict(k, key) }) {
					problems = append(problems, configError(path, fmt.Sprintf("has different keys with the ID %s in %s and %s", quote.Text(key.ID()), quote.Text(other.name), quote.Text(f.name))))
				}
			}
		}
	}
	var able []string
	var signer int
	for i, f := range files {
		if slices.ContainsFunc(f.keys, usher.Key.CanSign) && (o.Signer == "" || o.Signer == f.name) {
			able, signer = append(able, quote.Text(f.name)), i
		}
	}
	switch {
	case len(able) > 1:
		problems = append(problems, configError("Options.Signer", "is not set, but several files have keys that can sign; set it to one of "+strings.Join(able, ", ")))
	case len(able) == 1:
		files[signer].signs = true
	case o.Signer != "":
		problems = append(problems, configError("Options.Signer", "is "+quote.Text(o.Signer)+", but there is no such file with a key that can sign"))
	}
	return problems
}

// checkMix reports a folder that has both secrets and key pairs. A secret among key pairs is probably a file that was
// not meant as a key, and anybody who knows its text could sign tokens.
func checkMix(path string, files []file) []error {
	var secrets, pairs []string
	for _, f := range files {
		if slices.ContainsFunc(f.keys, isSecret) {
			secrets = append(secrets, quote.Text(f.name))
		} else {
			pairs = append(pairs, quote.Text(f.name))
		}
	}
	if len(secrets) == 0 || len(pairs) == 0 {
		return nil
	}
	return []error{configError(path, fmt.Sprintf(
		"mixes secrets (%s) with key pairs (%s); remove files that are not keys, and keep secrets and key pairs in separate folders",
		some(secrets), some(pairs)))}
}

func isSecret(key usher.Key) bool {
	_, hasPublic := key.Public()
	return !hasPublic
}

// some joins the first three names.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// conflict reports whether two different keys have the same ID and algorithm.
func conflict(a, b usher.Key) bool {
	return a.ID() != "" && a.ID() == b.ID() && a.Algorithm() == b.Algorithm() && !same(a, b)
}

// readStable reads the files of path until two consecutive readings agree, because they may be changed during a reading.
func readStable(path string) (files []file, isFolder bool, err error) {
	const tries = 4
	var previous []file
	for try := range tries {
		files, isFolder, err = readFiles(path)
		if err != nil {
			return nil, false, err
		}
		if try > 0 && slices.EqualFunc(previous, files, sameFile) {
			return files, isFolder, nil
		}
		previous = files
	}
	return nil, false, configError(path, "keeps changing while it is read; replace files by renaming, or try again later")
}

func readFiles(path string) (files []file, isFolder bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, unreadable(path, err)
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return nil, false, configError(path, "is neither a file nor a folder")
		}
		content, err := readFile(path)
		return []file{newFile(filepath.Base(path), content)}, false, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, true, unreadable(path, err)
	}
	var problems []error
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") { // such as ..data in Kubernetes, and files of editors
			continue
		}
		where := filepath.Join(path, entry.Name())
		info, err := os.Stat(where) // follows symbolic links
		switch {
		case err != nil:
			problems = append(problems, unreadable(where, err))
			continue
		case !info.Mode().IsRegular():
			continue
		case len(files) == maxFiles:
			return nil, true, configError(path, fmt.Sprintf("has more than %d files", maxFiles))
		}
		content, err := readFile(where)
		if err != nil {
			problems = append(problems, err)
		}
		files = append(files, newFile(entry.Name(), content))
	}
	return files, true, errors.Join(problems...)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the caller's
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(content) > maxFileSize {
		return nil, configError(path, fmt.Sprintf("has more than %d bytes", maxFileSize))
	}
	return content, nil
}

func unreadable(path string, err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return configError(path, "can't be read: "+err.Error())
}
