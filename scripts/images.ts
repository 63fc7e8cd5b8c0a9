import '../tools/images/command.ts';
