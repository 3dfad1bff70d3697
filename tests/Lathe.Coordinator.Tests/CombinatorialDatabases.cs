using System.Reflection;
using Xunit.Sdk;
using Xunit.v3;

namespace Lathe.Coordinator.Tests;

/// <summary>Runs a test on SQLite and on PostgreSQL.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class CombinatorialDatabasesAttribute : DataAttribute
{
    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker) =>
        ValueTask.FromResult<IReadOnlyCollection<ITheoryDataRow>>(
            [new TheoryDataRow<DatabaseKind>(DatabaseKind.Sqlite), new TheoryDataRow<DatabaseKind>(DatabaseKind.PostgreSql)]);

    public override bool SupportsDiscoveryEnumeration() => true;
}
