# shellcheck shell=bash
# Read by the scripts beside it; not run. They want ENVIRONMENT (staging, production) and, of a version, VERSION (its tag).
# AWS credentials and region come from the environment or profile, as everywhere. CHANGE_ROLE_ARN: the role that
# CloudFormation takes for a new version; without it, your own permissions.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${ENVIRONMENT:?staging or production}"
values=$here/parameters/$ENVIRONMENT.env
[ -e "$values" ] || { echo "There are no values for $ENVIRONMENT: $values" >&2; exit 2; }

# known: name=value of every output of this environment's stacks.
look() {
  known=$(aws cloudformation describe-stacks --output text \
    --query "Stacks[?starts_with(StackName, 'backoffice-$ENVIRONMENT-')].Outputs[].[OutputKey, OutputValue]" | tr '\t' '=')
}
look

# output NAME: the value of one of them.
output() {
  local value
  value=$(sed -n "s/^$1=//p" <<<"$known")
  [ -n "$value" ] || { echo "No stack has the output $1 yet." >&2; return 1; }
  echo "$value"
}

# defaults TEMPLATE: name=default of its parameters that have one.
defaults() {
  awk '/^[A-Z]/ { within = /^Parameters:/ }
    within && /^  [A-Z]/ { name = $1; sub(":", "", name) }
    within && match($0, /Default: ("[^"]*"|[^,}]*)/) {
      value = substr($0, RSTART + 9, RLENGTH - 9); gsub(/^"|"$/, "", value); print name "=" value
    }' "$1"
}

# stack NAME [Parameter=value …]: create or change a stack and wait for it. A parameter's value is the one given here, or
# an output of the same name of another stack, or that in the file of the environment, or the template's default. Defaults
# are given too: the command keeps the old value of what is not, and a value that was taken out would stay. Only the code
# of the function is left as it is unless it is given. A failed change is rolled back by CloudFormation.
stack() {
  local name=$1 template=$here/cloudformation/$1.yaml wanted own given overrides=()
  shift
  wanted=$(sed -n '/^Parameters:/,/^[A-Z]/s/^  \([A-Za-z]*\):.*/\1/p' "$template")
  own=$(sed -n '/^Outputs:/,$s/^  \([A-Za-z]*\):.*/\1/p' "$template")
  given=$(defaults "$template" | grep -v -e '^FunctionCodeKey=' -e '^FunctionVersion='; grep -v '^#' "$values"
    awk -F= 'NR == FNR { own[$1]; next } !($1 in own)' <(printf ':\n%s\n' "$own") <(echo "$known"); printf '%s\n' "$@")
  local override
  # The last one wins that has a value.
  while IFS= read -r override; do
    overrides+=("$override")
  done < <(awk -F= 'NR == FNR { wanted[$1]; next }
    $1 in wanted && (!($1 in last) || $0 != $1 "=") { last[$1] = $0 }
    END { for (name in last) print last[name] }' <(echo "$wanted") <(echo "$given"))
  echo "== stack $name"
  aws cloudformation deploy --stack-name "backoffice-$ENVIRONMENT-$name" --template-file "$template" \
    --capabilities CAPABILITY_NAMED_IAM --no-fail-on-empty-changeset \
    ${CHANGE_ROLE_ARN:+--role-arn "$CHANGE_ROLE_ARN"} --parameter-overrides "${overrides[@]}"
  look
}

# run_task OUTPUT [COMMAND …]: run the task definition that this output names to its end; its exit status is ours.
run_task() {
  local definition cluster subnets group kind task code
  definition=$(output "$1")
  shift
  cluster=$(output ClusterName)
  subnets=$(output SubnetIds)
  group=$(output TaskGroupId)
  kind=${definition##*/backoffice-"$ENVIRONMENT"-}
  kind=${kind%%:*}
  local instead='{}'
  if [ $# -gt 0 ]; then
    instead=$(python3 -c 'import json, sys
print(json.dumps({"containerOverrides": [{"name": sys.argv[1], "command": sys.argv[2:]}]}))' "$kind" "$@")
  fi
  task=$(aws ecs run-task --cluster "$cluster" --task-definition "$definition" --launch-type FARGATE \
    --network-configuration "awsvpcConfiguration={subnets=[$subnets],securityGroups=[$group],assignPublicIp=DISABLED}" \
    --overrides "$instead" --query 'tasks[0].taskArn' --output text)
  echo "== task $kind: $task"
  aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task"
  aws logs get-log-events --log-group-name "/backoffice/$ENVIRONMENT/$kind" --output text \
    --log-stream-name "$kind/$kind/${task##*/}" --query 'events[].[message]' || true
  code=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --output text \
    --query 'tasks[0].containers[0].exitCode')
  # "None": it never ran; the reason is in describe-tasks.
  [ "$code" = 0 ] || { echo "The task $kind ended with $code." >&2; return 1; }
}
