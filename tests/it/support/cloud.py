"""Acts on an EC2 API as its owner would, through AWS's own client.

Reads one JSON object a line, {"do": action, ...}, answers each with one line of JSON, and ends when its input ends.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3

IMAGE = "ami-12c6146b"
MAY_LOOK = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}]}
ANYONE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


def client(service):
    return boto3.client(
        service,
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        aws_access_key_id="owner",
        aws_secret_access_key="owner",
    )


ec2 = client("ec2")


def run(count=1, name=None):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}] if name else []
    answer = ec2.run_instances(ImageId=IMAGE, MinCount=count, MaxCount=count, TagSpecifications=tags)
    return [instance["InstanceId"] for instance in answer["Instances"]]


def run_apart(count):
    """Runs instances, each of a reservation of its own: an API's pages are counted in those."""
    with ThreadPoolExecutor(4) as pool:
        return [ids[0] for ids in pool.map(lambda _: run(), range(count))]


def stop(ids):
    ec2.stop_instances(InstanceIds=ids)


def start(ids):
    ec2.start_instances(InstanceIds=ids)


def terminate(ids):
    ec2.terminate_instances(InstanceIds=ids)


def user(name, may_look):
    """Makes a user, and gives a key of theirs."""
    iam = client("iam")
    iam.create_user(UserName=name)
    if may_look:
        iam.put_user_policy(UserName=name, PolicyName="look", PolicyDocument=json.dumps(MAY_LOOK))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def session(role):
    """Makes a role, assumes it, and gives the key of that session with its token."""
    iam = client("iam")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(ANYONE))["Role"]["Arn"]
    iam.put_role_policy(RoleName=role, PolicyName="look", PolicyDocument=json.dumps(MAY_LOOK))
    key = client("sts").assume_role(RoleArn=arn, RoleSessionName="tracker")["Credentials"]
    return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"], "token": key["SessionToken"]}


ACTIONS = {action.__name__: action for action in [run, run_apart, stop, start, terminate, user, session]}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": ACTIONS[request.pop("do")](**request)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
