"""Database, cache and secrets."""

from tests.deploy.registry import holds
from tests.deploy.templates import Templates, drop, put, put_on, put_value

IN_PRODUCTION = {"Fn::If": ["Production", True, False]}


@holds(
    put("Database", "PubliclyAccessible", True),
    put("Database", "StorageEncrypted", False),
    drop("Database", "PubliclyAccessible"),
    put("Database", "VPCSecurityGroups", []),
    put("DatabaseParameters", "Parameters", {"rds.force_ssl": "0"}),
)
def the_database_is_private_and_encrypted(templates: Templates) -> None:
    database = templates.properties("Database")
    assert database["PubliclyAccessible"] is False
    assert database["StorageEncrypted"] is True
    assert database["VPCSecurityGroups"] == [{"Ref": "DataGroupId"}]
    assert templates.properties("DatabaseParameters")["Parameters"]["rds.force_ssl"] == "1"


@holds(
    put("Database", "BackupRetentionPeriod", 0),
    put("Database", "BackupRetentionPeriod", {"Fn::If": ["Production", 1, 7]}),
    put_on("Database", "DeletionPolicy", "Delete"),
    put("Database", "DeletionProtection", False),
    put("Database", "MultiAZ", False),
)
def the_database_is_backed_up_and_outlives_a_mistake(templates: Templates) -> None:
    database, resource = templates.properties("Database"), templates.resource("Database")
    assert database["BackupRetentionPeriod"] == {"Fn::If": ["Production", 14, 7]}
    assert database["DeletionProtection"] == database["MultiAZ"] == IN_PRODUCTION
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Snapshot"


@holds(
    put("Database", "MasterUserPassword", "correct horse battery staple"),
    put("Cache", "AuthToken", "correct-horse-battery-staple"),
    put("DatabasePassword", "GenerateSecretString.PasswordLength", 8),
    put("CallbackSecret", "GenerateSecretString.ExcludePunctuation", False),
    put("DjangoSecret", "SecretString", "django-insecure"),
    put("DatabaseAddress", "SecretString", "postgres://backoffice:password@host/backoffice"),
)
def every_secret_is_made_by_aws(templates: Templates) -> None:
    composed = {"DatabaseAddress": "DatabasePassword", "CacheAddress": "CachePassword"}
    for name, secret in templates.of_type("SecretsManager::Secret").items():
        if name in composed:
            resolved = f"{{{{resolve:secretsmanager:${{{composed[name]}}}}}}}"
            assert f":{resolved}@" in secret["SecretString"]["Fn::Sub"]
        else:
            assert "SecretString" not in secret
            assert secret["GenerateSecretString"]["PasswordLength"] >= 40
            assert secret["GenerateSecretString"]["ExcludePunctuation"] is True  # they stand in addresses and lists
    for name, field, source in (
        ("Database", "MasterUserPassword", "DatabasePassword"),
        ("Cache", "AuthToken", "CachePassword"),
    ):
        resolved = f"{{{{resolve:secretsmanager:${{{source}}}}}}}"
        assert templates.properties(name)[field] == {"Fn::Sub": resolved}


@holds(
    put("Cache", "TransitEncryptionEnabled", False),
    put("Cache", "AtRestEncryptionEnabled", False),
    put("Cache", "SecurityGroupIds", []),
    put("CacheAddress", "SecretString", {"Fn::Sub": "redis://:{{resolve:secretsmanager:${CachePassword}}}@host"}),
)
def redis_is_private_and_encrypted(templates: Templates) -> None:
    cache = templates.properties("Cache")
    assert cache["TransitEncryptionEnabled"] is True
    assert cache["AtRestEncryptionEnabled"] is True
    assert cache["SecurityGroupIds"] == [{"Ref": "DataGroupId"}]
    assert templates.properties("CacheAddress")["SecretString"]["Fn::Sub"].startswith("rediss://")


NODE_MIB = {"cache.t4g.micro": 512, "cache.t4g.small": 1403}


@holds(
    put("CacheParameters", "Properties", {"maxmemory-policy": "noeviction"}),
    drop("Cache", "CacheParameterGroupName"),
    put("WorkerTask", "ContainerDefinitions.0.Environment.17.Value", "134217728"),
    put_value("staging", "HandoverMaxBytes", "104857600"),
)
def redis_keeps_counters_when_it_is_full_and_has_room_for_what_waits_in_it(templates: Templates) -> None:
    """Twice the setting may wait there; the rest is for previews, counters and locks."""
    assert templates.properties("CacheParameters")["Properties"] == {"maxmemory-policy": "volatile-lru"}
    assert templates.properties("Cache")["CacheParameterGroupName"] == {"Ref": "CacheParameters"}
    environment = templates.properties("WorkerTask")["ContainerDefinitions"][0]["Environment"]
    assert {"Name": "HANDOVER_MAX_BYTES", "Value": {"Ref": "HandoverMaxBytes"}} in environment
    for given in templates.values.values():
        assert 2 * int(given["HandoverMaxBytes"]) <= 0.15 * NODE_MIB[given["CacheNodeType"]] * 1024**2


@holds(put("DatabaseAddress", "SecretString", {"Fn::Sub": "postgres://host/backoffice"}))
def the_connection_to_the_database_is_encrypted(templates: Templates) -> None:
    assert templates.properties("DatabaseAddress")["SecretString"]["Fn::Sub"].endswith("?sslmode=require")
