// Does a whole promotion's worth of calls on a forge with GitHub's API, with a client library that is none of ours, and
// reads everything back through the types and the pages of that library.
//
// It is told where in the environment: CLIENT_API, CLIENT_REPOSITORY, CLIENT_TOKEN (of an administrator) and
// CLIENT_REVIEWER_TOKEN (of somebody else who may write). It says what it did, a line each, and ends with 1 at the first
// thing that is not as it must be.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v75/github"
)

const (
	base   = "env/dev"
	head   = "env/dev-next"
	secret = "a secret of the client"
	within = 20 * time.Second
)

// A forge with one repository, as an administrator and as a reviewer see it.
type forge struct {
	ctx         context.Context
	owner, name string
	token       string
	client      *github.Client
	reviewer    *github.Client
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	owner, name, _ := strings.Cut(os.Getenv("CLIENT_REPOSITORY"), "/")
	f := &forge{ctx: ctx, owner: owner, name: name, token: os.Getenv("CLIENT_TOKEN")}
	f.client = connect(f.token)
	f.reviewer = connect(os.Getenv("CLIENT_REVIEWER_TOKEN"))
	f.account()
	f.content()
	hooks := f.hooks()
	pull := f.pullRequest()
	f.reports(pull)
	f.conversation(pull)
	f.merge(pull)
	f.deliveries(hooks)
	f.refusals()
	say("everything was as the library reads it")
}

func connect(token string) *github.Client {
	client, err := github.NewClient(nil).WithAuthToken(token).WithEnterpriseURLs(os.Getenv("CLIENT_API"), os.Getenv("CLIENT_API"))
	check(err, "the address is one")
	return client
}

// Who calls, what is left, and that an unchanged answer costs nothing.
func (f *forge) account() {
	user, response, err := f.client.Users.Get(f.ctx, "")
	check(err, "the account is told")
	must(user.GetLogin() != "" && user.GetID() != 0, "the account has a name and a number")
	must(response.Rate.Limit > 0 && response.Rate.Remaining > 0 && !response.Rate.Reset.IsZero(), "the limit is told")
	request, err := f.client.NewRequest("GET", fmt.Sprintf("repos/%s/%s", f.owner, f.name), nil)
	check(err, "a request is made")
	answer, err := f.client.Do(f.ctx, request, nil)
	check(err, "the repository is shown")
	etag := answer.Header.Get("ETag")
	must(etag != "", "an answer has a tag")
	request.Header.Set("If-None-Match", etag)
	answer, _ = f.client.Do(f.ctx, request, nil)
	must(answer != nil && answer.StatusCode == http.StatusNotModified, "what did not change is not sent again")
	say("account, limits and tags")
}

// Branches, by the API and by git.
func (f *forge) content() {
	repository, _, err := f.client.Repositories.Get(f.ctx, f.owner, f.name)
	check(err, "the repository is read")
	main, _, err := f.client.Git.GetRef(f.ctx, f.owner, f.name, "heads/"+repository.GetDefaultBranch())
	check(err, "its default branch is read")
	created, _, err := f.client.Git.CreateRef(f.ctx, f.owner, f.name, github.CreateRef{Ref: "refs/heads/" + base, SHA: main.Object.GetSHA()})
	check(err, "a branch is made")
	must(created.GetRef() == "refs/heads/"+base, "it has its name")
	f.push(repository.GetCloneURL())
	names := every(func(options github.ListOptions) ([]*github.Branch, *github.Response, error) {
		return f.client.Repositories.ListBranches(f.ctx, f.owner, f.name, &github.BranchListOptions{ListOptions: options})
	})
	must(len(names) == 3, "three branches are listed, one a page: %d", len(names))
	branch, _, err := f.client.Repositories.GetBranch(f.ctx, f.owner, f.name, head, 0)
	check(err, "a branch is shown")
	compared, _, err := f.client.Repositories.CompareCommits(f.ctx, f.owner, f.name, base, head, nil)
	check(err, "branches are compared")
	must(compared.GetAheadBy() == 3 && len(compared.Files) == 3, "three commits and three files are ahead: %d, %d", compared.GetAheadBy(), len(compared.Files))
	must(branch.Commit.GetSHA() == compared.Commits[2].GetSHA(), "the last of them is the head")
	say("branches and content")
}

// Three commits, pushed by git itself.
func (f *forge) push(url string) {
	folder, err := os.MkdirTemp("", "client")
	check(err, "there is room")
	defer os.RemoveAll(folder)
	pair := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + f.token))
	git := func(arguments ...string) {
		command := exec.CommandContext(f.ctx, "git", arguments...)
		command.Dir = folder
		command.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=client", "GIT_AUTHOR_EMAIL=client@example.com", "GIT_COMMITTER_NAME=client",
			"GIT_COMMITTER_EMAIL=client@example.com", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader",
			"GIT_CONFIG_VALUE_0=Authorization: Basic "+pair)
		said, err := command.CombinedOutput()
		check(err, "git "+arguments[0]+": "+string(said))
	}
	git("clone", "--quiet", "--branch", base, url, ".")
	git("switch", "--quiet", "-c", head)
	for _, file := range []string{"one.yaml", "two.yaml", "three.yaml"} {
		check(os.WriteFile(filepath.Join(folder, file), []byte("file: "+file+"\n"), 0o600), "a file is written")
		git("add", file)
		git("commit", "--quiet", "-m", "Add "+file)
	}
	git("push", "--quiet", "origin", head)
}

// What was delivered to a receiver of our own, which may be closed.
type receiver struct {
	server *httptest.Server
	hook   *github.Hook
	mutex  sync.Mutex
	open   bool
	got    map[string]string
}

func (r *receiver) set(open bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.open = open
}

func (r *receiver) seen(event string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, one := range r.got {
		if one == event {
			return true
		}
	}
	return false
}

// A webhook whose deliveries are verified and parsed by the library.
func (f *forge) hooks() *receiver {
	r := &receiver{open: true, got: map[string]string{}}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := github.ValidatePayload(request, []byte(secret))
		if err == nil {
			_, err = github.ParseWebHook(github.WebHookType(request), body)
		}
		r.mutex.Lock()
		defer r.mutex.Unlock()
		if err != nil || !r.open {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.got[github.DeliveryID(request)] = github.WebHookType(request)
	}))
	var err error
	r.hook, _, err = f.client.Repositories.CreateHook(f.ctx, f.owner, f.name, &github.Hook{
		Events: []string{"*"},
		Active: github.Ptr(true),
		Config: &github.HookConfig{URL: github.Ptr(r.server.URL), ContentType: github.Ptr("json"), Secret: github.Ptr(secret)},
	})
	check(err, "a webhook is made")
	until("the webhook was tried", func() bool { return r.seen("ping") })
	return r
}

func (f *forge) pullRequest() *github.PullRequest {
	created, _, err := f.client.PullRequests.Create(f.ctx, f.owner, f.name, &github.NewPullRequest{
		Title: github.Ptr("Promote to dev"), Head: github.Ptr(head), Base: github.Ptr(base), Body: github.Ptr("Three files."),
	})
	check(err, "a pull request is opened")
	var pull *github.PullRequest
	until("the forge says whether it merges", func() bool {
		var err error
		pull, _, err = f.client.PullRequests.Get(f.ctx, f.owner, f.name, created.GetNumber())
		check(err, "it is read")
		return pull.Mergeable != nil
	})
	must(pull.GetMergeable() && pull.GetState() == "open" && pull.GetCommits() == 3, "it would merge three commits")
	_, _, err = f.client.PullRequests.Edit(f.ctx, f.owner, f.name, pull.GetNumber(), &github.PullRequest{Title: github.Ptr("Promote three files to dev")})
	check(err, "its title is changed")
	listed, _, err := f.client.PullRequests.List(f.ctx, f.owner, f.name, &github.PullRequestListOptions{State: "open", Head: f.owner + ":" + head, Base: base})
	check(err, "pull requests are listed")
	must(len(listed) == 1 && listed[0].GetTitle() == "Promote three files to dev", "it is found by its branches")
	commits := every(func(options github.ListOptions) ([]*github.RepositoryCommit, *github.Response, error) {
		return f.client.PullRequests.ListCommits(f.ctx, f.owner, f.name, pull.GetNumber(), &options)
	})
	files := every(func(options github.ListOptions) ([]*github.CommitFile, *github.Response, error) {
		return f.client.PullRequests.ListFiles(f.ctx, f.owner, f.name, pull.GetNumber(), &options)
	})
	must(len(commits) == 3 && len(files) == 3, "its commits and files are listed, one a page: %d, %d", len(commits), len(files))
	say("a pull request")
	return pull
}

// Statuses and check runs of its head.
func (f *forge) reports(pull *github.PullRequest) {
	sha := pull.Head.GetSHA()
	for _, one := range [][2]string{{"health", "pending"}, {"health", "success"}, {"policy", "success"}} {
		_, _, err := f.client.Repositories.CreateStatus(f.ctx, f.owner, f.name, sha, &github.RepoStatus{
			Context: &one[0], State: &one[1], Description: github.Ptr("by the client"), TargetURL: github.Ptr("http://example.com/"),
		})
		check(err, "a status is posted")
	}
	all := every(func(options github.ListOptions) ([]*github.RepoStatus, *github.Response, error) {
		return f.client.Repositories.ListStatuses(f.ctx, f.owner, f.name, sha, &options)
	})
	must(len(all) == 3 && all[0].GetContext() == "policy" && all[2].GetState() == "pending", "every status is listed, the newest first")
	combined, _, err := f.client.Repositories.GetCombinedStatus(f.ctx, f.owner, f.name, sha, nil)
	check(err, "the newest of each are read")
	must(combined.GetState() == "success" && combined.GetTotalCount() == 2, "the newest of each count")
	for _, conclusion := range []string{"failure", "success"} {
		run, _, err := f.client.Checks.CreateCheckRun(f.ctx, f.owner, f.name, github.CreateCheckRunOptions{Name: "build", HeadSHA: sha, Status: github.Ptr("in_progress")})
		check(err, "a check run is made")
		_, _, err = f.client.Checks.UpdateCheckRun(f.ctx, f.owner, f.name, run.GetID(), github.UpdateCheckRunOptions{Name: "build", Status: github.Ptr("completed"), Conclusion: &conclusion})
		check(err, "a check run ends")
	}
	runs, _, err := f.client.Checks.ListCheckRunsForRef(f.ctx, f.owner, f.name, sha, &github.ListCheckRunsOptions{Filter: github.Ptr("latest")})
	check(err, "check runs are read")
	must(runs.GetTotal() == 1 && runs.CheckRuns[0].GetConclusion() == "success", "the newest run of a name counts: %d", runs.GetTotal())
	say("statuses and check runs")
}

// Comments, reactions and reviews. Labels are left out: the library sends them in a form that GitHub does not describe.
func (f *forge) conversation(pull *github.PullRequest) {
	number := pull.GetNumber()
	var last *github.IssueComment
	for _, text := range []string{"one", "two", "three"} {
		var err error
		last, _, err = f.client.Issues.CreateComment(f.ctx, f.owner, f.name, number, &github.IssueComment{Body: &text})
		check(err, "a comment is written")
	}
	_, _, err := f.client.Issues.EditComment(f.ctx, f.owner, f.name, last.GetID(), &github.IssueComment{Body: github.Ptr("four")})
	check(err, "a comment is changed")
	reaction, _, err := f.client.Reactions.CreateIssueCommentReaction(f.ctx, f.owner, f.name, last.GetID(), "eyes")
	check(err, "a reaction is left")
	must(reaction.GetContent() == "eyes", "it is the one")
	comments := every(func(options github.ListOptions) ([]*github.IssueComment, *github.Response, error) {
		return f.client.Issues.ListComments(f.ctx, f.owner, f.name, number, &github.IssueListCommentsOptions{ListOptions: options})
	})
	must(len(comments) == 3 && comments[2].GetBody() == "four", "comments are listed, the oldest first")
	_, _, err = f.reviewer.PullRequests.CreateReview(f.ctx, f.owner, f.name, number, &github.PullRequestReviewRequest{Event: github.Ptr("APPROVE"), Body: github.Ptr("fine")})
	check(err, "it is approved")
	reviews, _, err := f.client.PullRequests.ListReviews(f.ctx, f.owner, f.name, number, nil)
	check(err, "reviews are listed")
	must(len(reviews) == 1 && reviews[0].GetState() == "APPROVED" && reviews[0].GetCommitID() == pull.Head.GetSHA(), "the review is of the head")
	say("comments and reviews")
}

// A merge of another head is refused; one of the head is done, once.
func (f *forge) merge(pull *github.PullRequest) {
	number := pull.GetNumber()
	wrong := &github.PullRequestOptions{SHA: pull.Base.GetSHA(), MergeMethod: "squash"}
	_, _, err := f.client.PullRequests.Merge(f.ctx, f.owner, f.name, number, "", wrong)
	must(status(err) == http.StatusConflict, "another head is not merged: %v", err)
	right := &github.PullRequestOptions{SHA: pull.Head.GetSHA(), MergeMethod: "squash", CommitTitle: "Promote"}
	merged, _, err := f.client.PullRequests.Merge(f.ctx, f.owner, f.name, number, "Trailer: 1", right)
	check(err, "the head is merged")
	must(merged.GetMerged() && merged.GetSHA() != "", "it says so")
	_, _, err = f.client.PullRequests.Merge(f.ctx, f.owner, f.name, number, "", right)
	must(status(err) == http.StatusMethodNotAllowed, "it is merged once: %v", err)
	is, _, err := f.client.PullRequests.IsMerged(f.ctx, f.owner, f.name, number)
	check(err, "it is asked whether it is merged")
	after, _, err := f.client.PullRequests.Get(f.ctx, f.owner, f.name, number)
	check(err, "it is read")
	must(is && after.GetMerged() && after.GetMergeCommitSHA() == merged.GetSHA() && after.MergedBy.GetLogin() != "", "it is shown as merged")
	tip, _, err := f.client.Git.GetRef(f.ctx, f.owner, f.name, "heads/"+base)
	check(err, "the branch is read")
	must(tip.Object.GetSHA() == merged.GetSHA(), "the branch is there")
	_, err = f.client.Git.DeleteRef(f.ctx, f.owner, f.name, "heads/"+head)
	check(err, "the merged branch is deleted")
	say("a merge of exactly one head")
}

// What failed while the receiver was closed is listed, and arrives when it is asked for again.
func (f *forge) deliveries(r *receiver) {
	for _, event := range []string{"pull_request", "status", "check_run", "issue_comment", "pull_request_review", "push"} {
		until("a `"+event+"` has arrived", func() bool { return r.seen(event) })
	}
	r.set(false)
	_, _, err := f.client.Issues.CreateComment(f.ctx, f.owner, f.name, 1, &github.IssueComment{Body: github.Ptr("missed")})
	check(err, "a comment is written")
	var missed *github.HookDelivery
	until("the delivery is listed as failed", func() bool {
		missed = nil
		options := &github.ListCursorOptions{PerPage: 2}
		for page := 0; page < 40; page++ {
			listed, response, err := f.client.Repositories.ListHookDeliveries(f.ctx, f.owner, f.name, r.hook.GetID(), options)
			check(err, "deliveries are listed")
			for _, one := range listed {
				if one.GetEvent() == "issue_comment" && one.GetStatusCode() == http.StatusServiceUnavailable {
					missed = one
				}
			}
			if options.Cursor = response.Cursor; options.Cursor == "" {
				break
			}
		}
		return missed != nil
	})
	r.set(true)
	_, _, err = f.client.Repositories.RedeliverHookDelivery(f.ctx, f.owner, f.name, r.hook.GetID(), missed.GetID())
	var accepted *github.AcceptedError
	must(err == nil || errors.As(err, &accepted), "it is asked for again: %v", err)
	until("it has arrived under its id", func() bool {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		return r.got[missed.GetGUID()] == "issue_comment"
	})
	r.server.Close()
	say("deliveries, one of them again")
}

// Errors are the library's own.
func (f *forge) refusals() {
	_, _, err := f.client.PullRequests.Get(f.ctx, f.owner, f.name, 4711)
	must(status(err) == http.StatusNotFound, "what is not there is not found: %v", err)
	_, _, err = f.client.Git.CreateRef(f.ctx, f.owner, f.name, github.CreateRef{Ref: "refs/heads/" + base, SHA: strings.Repeat("0", 40)})
	must(status(err) == http.StatusUnprocessableEntity, "a branch is made once: %v", err)
	_, _, err = connect("nobody's").Repositories.Get(f.ctx, f.owner, f.name)
	must(status(err) == http.StatusUnauthorized, "a token of nobody is refused: %v", err)
	say("refusals")
}

// Returns every entry of a list, read one a page by the links between pages.
func every[T any](list func(github.ListOptions) ([]T, *github.Response, error)) []T {
	var all []T
	options := github.ListOptions{PerPage: 1}
	for {
		page, response, err := list(options)
		check(err, "a page is read")
		must(len(page) <= 1, "a page is as long as it was asked for")
		all = append(all, page...)
		if response.NextPage == 0 {
			return all
		}
		options.Page = response.NextPage
	}
}

// Returns the status in an error of the library.
func status(err error) int {
	var refused *github.ErrorResponse
	if errors.As(err, &refused) {
		return refused.Response.StatusCode
	}
	return 0
}

func until(what string, is func() bool) {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	must(false, "it took too long until %s", what)
}

func check(err error, what string) {
	must(err == nil, "%s: %v", what, err)
}

func must(is bool, what string, values ...any) {
	if !is {
		fmt.Fprintf(os.Stderr, "not so: "+what+"\n", values...)
		os.Exit(1)
	}
}

func say(what string) {
	fmt.Println("client: " + what)
}
