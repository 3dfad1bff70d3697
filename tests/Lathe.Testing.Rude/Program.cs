using Lathe.Hosting;
using Lathe.Testing.Rude;

return await StageHost.RunAsync<RudeStage, Rudeness>(args);
