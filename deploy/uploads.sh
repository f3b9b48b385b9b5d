#!/usr/bin/env bash
# Sets up direct uploads alone: buckets (new, or those that are there), queue and resizing function, by one stack.
# Asks for what the environment does not give; an answer left empty takes what stands in brackets.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ask NAME QUESTION [DEFAULT]: set the variable unless the environment has it. Without a default it must be answered.
ask() {
  local name=$1 question=$2 given=${3-} answer=
  [ -z "${!name+set}" ] || return 0
  read -r -p "$question${3+ [$given]}: " answer || true
  answer=${answer:-$given}
  [ -n "$answer" ] || [ -n "${3+set}" ] || { echo "$name is needed: $question" >&2; exit 2; }
  printf -v "$name" %s "$answer"
}

ask BUCKET "Bucket for uploads"
ask RENDITIONS_BUCKET "Bucket for renditions" "$BUCKET-resized"
ask NEW_BUCKETS "Make both buckets now (true), or are they there (false)" true
ask FUNCTION_NAME "Name of the function" backoffice-resizer
ask TEMPORARY_PATH "Where uploads arrive" temp/
ask TEMPORARY_DAYS "Days until uploads expire there, 0 for never" 0
ask CORS_ORIGIN "Whose pages may upload, such as https://site.example"
ask FUNCTION_MEMORY "Memory of the function in MiB" 512
ask CALLBACK_URL "Where it reports to, https://<site>/async_image/presignedurl/; empty for nowhere" ""
CALLBACK_SECRET_ARN=${CALLBACK_SECRET_ARN-}
[ -z "$CALLBACK_URL" ] || [ -n "$CALLBACK_SECRET_ARN" ] || unset CALLBACK_SECRET_ARN
ask CALLBACK_SECRET_ARN "ARN of the secret that signs its reports"
ask CODE_BUCKET "Bucket for the code of the function"

archive=${FUNCTION_ARCHIVE:-$here/../lambda/dist/function.zip}
[ -e "$archive" ] || { echo "There is no $archive: make lambda" >&2; exit 1; }
key=function-$(sha256sum "$archive" | cut -c1-16).zip
stack=$FUNCTION_NAME-uploads
aws s3 cp --no-progress "$archive" "s3://$CODE_BUCKET/$key"
aws cloudformation deploy --stack-name "$stack" --template-file "$here/cloudformation/uploads.yaml" \
  --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset --parameter-overrides \
  "BucketName=$BUCKET" "RenditionsBucketName=$RENDITIONS_BUCKET" "NewBuckets=$NEW_BUCKETS" \
  "FunctionName=$FUNCTION_NAME" "TemporaryPath=$TEMPORARY_PATH" "TemporaryDays=$TEMPORARY_DAYS" \
  "CorsOrigin=$CORS_ORIGIN" "FunctionMemory=$FUNCTION_MEMORY" "CallbackUrl=$CALLBACK_URL" \
  "CodeBucketName=$CODE_BUCKET" "FunctionCodeKey=$key" \
  ${CALLBACK_SECRET_ARN:+"CallbackSecretArn=$CALLBACK_SECRET_ARN"}
[ "$NEW_BUCKETS" = false ] || exit 0

# current COMMAND …: the setting as S3 has it. None is {}; any other failure stops, for others' rules would be lost.
current() {
  local said
  if said=$(aws s3api "$@" --bucket "$BUCKET" --output json 2>&1); then
    echo "${said:-"{}"}"
  elif grep -Eq 'NoSuch(CORS|Lifecycle)Configuration' <<<"$said"; then
    echo "{}"
  else
    echo "$said" >&2
    return 1
  fi
}

queue=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
  --query "Stacks[0].Outputs[?OutputKey=='QueueArn'].OutputValue")
setting=$(current get-bucket-notification-configuration)
setting=$("$here/existing_bucket.py" notification "$queue" "$TEMPORARY_PATH" <<<"$setting")
aws s3api put-bucket-notification-configuration --bucket "$BUCKET" --notification-configuration "$setting"
setting=$(current get-bucket-cors)
setting=$("$here/existing_bucket.py" cors "$CORS_ORIGIN" <<<"$setting")
aws s3api put-bucket-cors --bucket "$BUCKET" --cors-configuration "$setting"
setting=$(current get-bucket-lifecycle-configuration)
setting=$("$here/existing_bucket.py" lifecycle "$TEMPORARY_PATH" "$TEMPORARY_DAYS" <<<"$setting")
if [ "$setting" = '{"Rules": []}' ]; then
  aws s3api delete-bucket-lifecycle --bucket "$BUCKET"
else
  aws s3api put-bucket-lifecycle-configuration --bucket "$BUCKET" --lifecycle-configuration "$setting"
fi
