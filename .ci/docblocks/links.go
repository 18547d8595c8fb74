package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`^#{1,6} +(.*)$`)
)

// checkLinks returns what is wrong with a page's relative links: a file that does not exist, or a heading.
func checkLinks(page string) ([]error, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	var faults []error
	for i, line := range prose(string(text)) {
		for _, match := range link.FindAllStringSubmatch(line, -1) {
			target := match[1]
			if strings.Contains(target, ":") {
				continue // another site
			}
			path, anchor, _ := strings.Cut(target, "#")
			file := page
			if path != "" {
				file = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(file); err != nil {
				faults = append(faults, fmt.Errorf("%s:%d: the link %s leads nowhere", page, i+1, target))
				continue
			}
			if anchor == "" || filepath.Ext(file) != ".md" {
				continue
			}
			found, err := hasHeading(file, anchor)
			if err != nil {
				return nil, err
			}
			if !found {
				faults = append(faults, fmt.Errorf("%s:%d: %s has no heading for #%s", page, i+1, file, anchor))
			}
		}
	}
	return faults, nil
}

// prose returns the lines of a page, empty where they belong to a code block.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	inside := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if inside || fence {
			lines[i] = ""
		}
		inside = inside != fence
	}
	return lines
}

// hasHeading tells whether GitHub gives a heading of the page this anchor.
func hasHeading(page, anchor string) (bool, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return false, err
	}
	for _, line := range prose(string(text)) {
		if match := heading.FindStringSubmatch(line); len(match) == 2 && slug(match[1]) == anchor {
			return true, nil
		}
	}
	return false, nil
}

// slug returns GitHub's anchor of a heading: in lower case, with hyphens for blanks and without punctuation.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}
