// Command gitea is Gitea, linked from its published Go module for our tests.
//
// No registry has a ready program; this file does what a release's own entry point does, and no more.
package main

import (
	"os"
	"time"

	"code.gitea.io/gitea/cmd"
	"code.gitea.io/gitea/modules/log"
	"code.gitea.io/gitea/modules/setting"
	"github.com/urfave/cli/v3"

	// Comments and pull requests are written in Markdown.
	_ "code.gitea.io/gitea/modules/markup/markdown"
)

// version is set by the linker.
var version = "unknown"

func main() {
	setting.AppVer = version
	setting.AppStartTime = time.Now().UTC()
	// Both ways out close the logs, or their last lines are lost.
	cli.OsExiter = func(code int) {
		log.GetManager().Close()
		os.Exit(code)
	}
	failure := cmd.RunMainApp(cmd.NewMainApp(cmd.AppVersion{Version: version}), os.Args...)
	log.GetManager().Close()
	if failure != nil {
		os.Exit(1)
	}
}
