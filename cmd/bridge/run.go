package main

import (
	"errors"
	"io"
	stdlog "log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"aiccbridge/config"
)

func newRun() *cobra.Command {
	var path string
	var weaker []string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the bridge until SIGINT, SIGTERM or SIGHUP",
		Long: "Run the bridge. At SIGINT, SIGTERM or SIGHUP it takes nothing new, finishes what\n" +
			"it has in hand within shutdown.grace, and ends; a further SIGINT or SIGTERM ends it\n" +
			"at once.",
		Example: "  bridge run -c bridge.yaml",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(path, c.ErrOrStderr())
			if err != nil {
				return err
			}
			signal.Ignore(syscall.SIGPIPE) // a log that nobody reads any more ends no bridge
			log := newLogger(cfg.Log, c.ErrOrStderr())
			adoptStandardLog(log)
			return runBridge(c.Context(), cfg, log, weaker, hooks{})
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "bridge.yaml", "configuration file")
	c.Flags().StringArrayVar(&weaker, "accept-weaker", nil, "a stream setting that may be weaker than the bridge wants, by the name that its refusal prints")
	return c
}

// load reads a configuration and prints what is wrong or odd in it.
func load(path string, errOut io.Writer) (*config.Config, error) {
	cfg, err := config.Load(path)
	var found config.Errors
	if errors.As(err, &found) {
		return nil, printFindings(errOut, path, found)
	}
	if err != nil {
		return nil, err
	}
	warnOfCertificates(cfg, time.Now())
	warn(errOut, cfg)
	return cfg, nil
}

// newLogger writes for a person on a terminal, JSON otherwise.
func newLogger(c config.Log, w io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	if c.Format == "console" || c.Format == "auto" && isTerminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05", NoColor: !isTerminal(w)}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

// adoptStandardLog makes what libraries print with the standard library's logger, such
// as net/http about idle connections, lines of ours: nothing reads plain text between JSON.
func adoptStandardLog(log zerolog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(lineWriter{log})
}

// lineWriter logs each line that is written.
type lineWriter struct{ log zerolog.Logger }

func (w lineWriter) Write(p []byte) (int, error) {
	w.log.Debug().Str("detail", strings.TrimSpace(string(p))).Msg("a library reports")
	return len(p), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
