"""Acts on an EC2 API as its owner would, through AWS's own client: at an endpoint, in a region.

Reads one JSON object a line, {"do": action, ...}, answers each with one line of JSON, and ends when its input ends.
"""

import ipaddress
import itertools
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
        region_name=sys.argv[2],
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


ODD_VALUES = ["", " ", "a & b", "<tag>", "it's \"quoted\"", "größe", "日本", "x" * 256, "line\nbreak", "]]>"]


def fleet(count):
    """Runs instances of many kinds: reservations of many sizes, tags, several interfaces and addresses, every state."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    block = ipaddress.ip_network(vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"])
    subnets = []
    for at, zone in enumerate("abcd"):
        answer = ec2.create_subnet(
            VpcId=vpc["VpcId"],
            CidrBlock=f"10.0.{16 * at}.0/20",
            Ipv6CidrBlock=str(next(itertools.islice(block.subnets(new_prefix=64), at, None))),
            AvailabilityZone=f"us-east-1{zone}",
        )
        subnets.append(answer["Subnet"]["SubnetId"])
    ids, size = [], 1
    while len(ids) < count:
        size = min(size * 3 % 97 + 1, count - len(ids))
        at = len(ids)
        tags = [{"Key": f"key {at % 7}:{part}", "Value": ODD_VALUES[(at + part) % len(ODD_VALUES)]} for part in range(at % 12)]
        if at % 3:
            tags.append({"Key": "Name", "Value": f"fleet-{at}"})
        answer = ec2.run_instances(
            ImageId=IMAGE,
            MinCount=size,
            MaxCount=size,
            SubnetId=subnets[at % len(subnets)],
            InstanceType=["t3.micro", "m5.large", "c5.xlarge"][at % 3],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}] if tags else [],
        )
        ids += [instance["InstanceId"] for instance in answer["Instances"]]
    for at, id in enumerate(ids[:60:3]):
        interface = ec2.create_network_interface(SubnetId=subnets[at % len(subnets)])["NetworkInterface"]["NetworkInterfaceId"]
        ec2.attach_network_interface(InstanceId=id, NetworkInterfaceId=interface, DeviceIndex=1)
        ec2.assign_private_ip_addresses(NetworkInterfaceId=interface, SecondaryPrivateIpAddressCount=1 + at % 12)
        if at % 2:
            ec2.assign_ipv6_addresses(NetworkInterfaceId=interface, Ipv6AddressCount=1 + at % 3)
    for id in ids[1:60:4]:
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        ec2.associate_address(InstanceId=id, AllocationId=address)
    ec2.stop_instances(InstanceIds=ids[5::11])
    ec2.terminate_instances(InstanceIds=ids[7::13])


def described():
    """What boto3 lists, one object for each instance."""
    pages = ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 1000})
    return [instance(found) for page in pages for found in (i for r in page["Reservations"] for i in r["Instances"])]


def instance(found):
    addresses = {found.get(name) for name in ["PublicIpAddress", "PublicDnsName", "PrivateIpAddress", "PrivateDnsName"]}
    public = {found.get("PublicIpAddress"), found.get("PublicDnsName")}
    for interface in found.get("NetworkInterfaces", []):
        places = [interface, *interface.get("PrivateIpAddresses", [])]
        addresses |= {place.get("PrivateIpAddress") for place in places}
        public |= {place.get("Association", {}).get("PublicIp") for place in places}
        public |= {address["Ipv6Address"] for address in interface.get("Ipv6Addresses", [])}
    return {
        "id": found["InstanceId"],
        "provider_state": found["State"]["Name"],
        "image": found["ImageId"],
        "hardware_profile": found["InstanceType"],
        "realm": found["Placement"]["AvailabilityZone"],
        "public_addresses": sorted(public - {None, ""}),
        "private_addresses": sorted(addresses - public - {None, ""}),
        "labels": {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
    }


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


ACTIONS = {action.__name__: action for action in [run, run_apart, fleet, described, stop, start, terminate, user, session]}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": ACTIONS[request.pop("do")](**request)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
