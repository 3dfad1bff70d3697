using Lathe.Cli.Commands;

namespace Lathe.Cli.Tests.Commands;

public sealed class Port_of_the_page
{
    [Fact]
    public void The_page_has_a_steady_port_and_the_next_free_one_where_it_is_taken()
    {
        Assert.Equal(5080, UiCommand.FreePort(_ => true));
        Assert.Equal(5082, UiCommand.FreePort(port => port > 5081));
        // None of them: the system chooses.
        Assert.Equal(0, UiCommand.FreePort(_ => false));
    }
}
