package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/go-usher/usher/session"
)

// mails is a folder of mails. A real service would send them. They are not logged, because their links are live.
type mails struct {
	dir string
	url string // of this service, for links
}

// openMails creates the folder if it does not exist. Links lead to PUBLIC_URL, or else to the address that is listened on.
func openMails(cfg config, listening net.Addr) (*mails, error) {
	dir, err := filepath.Abs(cfg.mailDir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("MAIL_DIR: %w", err)
	}
	return &mails{dir, cmp.Or(cfg.publicURL, "http://"+listening.String())}, nil
}

// Write writes a mail into the folder.
func (m *mails) Write(_ context.Context, mail session.Mail) error {
	var subject, text string
	switch mail.Kind { // a link's token is its fragment, which no log of a server or proxy contains
	case session.MailVerify:
		subject, text = "Confirm your address", m.url+"/verify#"+mail.Token
	case session.MailReset:
		subject, text = "Choose a new password", m.url+"/password/reset#"+mail.Token
	default:
		return fmt.Errorf("there is no mail of kind %q", mail.Kind)
	}
	now := time.Now().UTC()
	path := filepath.Join(m.dir, now.Format("20060102-150405.000000000-")+mail.Kind)
	content := fmt.Sprintf("To: %s\nSubject: %s\nDate: %s\n\n%s\n", mail.Email, subject, now.Format(time.RFC1123Z), text)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(path, path+".eml") // now it is complete
}
