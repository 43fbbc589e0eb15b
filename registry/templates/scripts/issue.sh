#!/usr/bin/env bash
# What audit.yml and verify-tags.yml run: keep one issue that holds a text; close it when there is nothing to tell.
#   issue.sh NUMBER_OF_FINDINGS FILE [TITLE]
set -euo pipefail
found=$1 body=$2 title=${3:-Registry audit: findings}

open=$(gh issue list --state open --limit 200 --json number,title,author \
  --jq "[.[] | select(.title == \"$title\" and (.author.login | endswith(\"github-actions\")))][0].number // empty")
if [[ $found == 0 ]]; then
  if [[ -n $open ]]; then gh issue close "$open" --comment 'No findings any more.'; fi
elif [[ -n $open ]]; then
  gh issue edit "$open" --body-file "$body"
else
  gh issue create --title "$title" --body-file "$body"
fi
