using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>What keeps a coordinator from working is said at its start.</summary>
public sealed class Starting_a_coordinator
{
    [Fact]
    public async Task A_home_that_cannot_be_written_ends_it_with_one_line()
    {
        var file = Path.GetTempFileName();
        try
        {
            // Not even root makes a folder below a file.
            // The database of such a home is refused as well; this is said of the home whatever the database.
            Assert.StartsWith($"the home {Path.Combine(file, "home")} cannot be written", Assert.Throws<LatheException>(() => CoordinatorHost.CheckHome(Path.Combine(file, "home"))).Message);
            Assert.Equal(StageHost.UserError, await CoordinatorHost.RunAsync(HostingSettings.In(Path.Combine(file, "home"))));
        }
        finally
        {
            File.Delete(file);
        }
    }
}
